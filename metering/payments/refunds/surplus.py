"""Money that settles nothing, kept as credit of its customer instead of being given back."""

from datetime import datetime

from django.db import transaction

from metering.checked_inputs import checked_reason
from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.errors import NothingToCredit
from metering.money import cents_text
from metering.payments.booked import surplus_of
from metering.payments.locks import lock_payment
from metering.payments.models import Payment
from metering.payments.refunds.refunds import refundable_amount
from workspaces import audit
from workspaces.closed import refuse_closed


def keep_surplus_as_credit(payment_id: int, reason: str, actor: str, now: datetime) -> CreditGrant:
    """Credit of what is left of the surplus payment with this primary key. Refunding it later takes the credit back.

    Raises InvalidParameter, WorkspaceClosed, and NothingToCredit where nothing is left or the money is in another currency
    than credit is.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        payment = lock_payment(payment_id)
        refuse_closed(payment.workspace)
        left = refundable_amount(payment)
        if payment.invoice_id is not None or payment.grant_id is not None or left <= 0:
            raise NothingToCredit("Nothing of this payment can be kept as credit: refund what of it is a surplus.")
        if payment.currency != payment.workspace.currency:
            raise NothingToCredit(
                f"The payment is in {payment.currency}, and credit in {payment.workspace.currency}: refund it."
            )
        payment.grant = ledger.grant(
            payment.workspace,
            CreditGrant.Kind.PURCHASED,
            left,
            actor,
            now,
            note="Surplus kept as credit",
            source=f"surplus:{payment.public_id}",
            against=surplus_of(payment),
        )
        Payment.objects.filter(pk=payment.pk).update(grant=payment.grant)
        details = {"amount": cents_text(left), "reason": reason}
        audit.record(actor, "payment.kept_as_credit", payment.public_id, payment.workspace, now=now, **details)
        return payment.grant
