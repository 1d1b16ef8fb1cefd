"""Taking credit back by hand. What money had bought is owed to the customer then, of the payment that brought it.

That money goes back as any other of the payment: as a refund, by a payout, or because its bank or Stripe takes it.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.payments.booked import owed_for
from metering.payments.models import Payment
from metering.payments.refunds.models import KeptPayment
from omixa_billing.api.errors import InvalidParameter
from workspaces.locks import lock_workspace

NOTHING = Decimal("0.00")


def withdraw_credit(grant: CreditGrant, reason: str, actor: str, now: datetime) -> Decimal:
    """Takes back what is left of the grant; how much. What was used stays used. Raises InvalidParameter."""
    with transaction.atomic():
        lock_workspace(grant.workspace_id)
        left = ledger.remaining_of_grant(grant)
        if left <= 0:
            raise InvalidParameter("Nothing is left of this credit.")
        bought_by = Payment.objects.filter(grant=grant).first()
        if bought_by is not None:
            return ledger.reverse(grant, reason, actor, now, left, owed_for(bought_by))
        rest = left - _of_kept_money(grant, left, reason, actor, now)
        if rest > 0:
            ledger.reverse(grant, reason, actor, now, rest)
        return left


def _of_kept_money(grant: CreditGrant, most: Decimal, reason: str, actor: str, now: datetime) -> Decimal:
    """A credit note had kept money of payments as credit: it is not kept any more."""
    withdrawn = NOTHING
    for part in KeptPayment.objects.select_for_update(of=("self",)).filter(grant=grant).select_related("payment"):
        amount = min(part.amount - part.returned, most - withdrawn)
        if amount > 0:
            ledger.reverse(grant, reason, actor, now, amount, owed_for(part.payment))
            KeptPayment.objects.filter(pk=part.pk).update(returned=F("returned") + amount)
            Payment.objects.filter(pk=part.payment_id).update(kept=F("kept") - amount)
            withdrawn += amount
    return withdrawn
