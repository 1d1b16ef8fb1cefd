"""Money that came outside Stripe and that its bank took back: a debit returned after weeks, a cheque that was not good.

A person records it, once for each reference, and that the bank paid it again after all. What follows is what follows of a
dispute that is lost or won (disputes.py): credit that it bought is taken back, and what it paid is owed again, or not any more.
Chargebacks of payments by Stripe are reported by Stripe.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from metering.checked_inputs import (
    check_fraction,
    checked_amount,
    checked_reason,
    checked_reference,
    refuse_repeated_reference,
)
from metering.errors import NotFound, NothingToCredit
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.payments.disputes.disputes import LOST, WON, lose, reinstate
from metering.payments.locks import lock_credit_of, lock_payment
from metering.payments.models import Dispute, Payment
from omixa_billing.api.errors import InvalidParameter
from workspaces.ids import new_id
from workspaces.locks import lock_workspace
from workspaces.names import is_storable

NOTHING = Decimal("0.00")
REASON = "returned"


def payments_to_charge_back(invoice: Invoice) -> list[Payment]:
    """What paid the invoice outside Stripe, the latest first."""
    return list(invoice.payments.filter(method=Payment.Method.BY_HAND).order_by("-pk"))


def charge_back(
    payments: Sequence[Payment], amount: Decimal, reference: str, fee: Decimal, actor: str, now: datetime
) -> list[Dispute]:
    """The bank took `amount` of these payments of one workspace, in their order, and `fee` beside it.

    Raises InvalidParameter, and NothingToCredit for more than they are or for a chargeback that was recorded before.
    """
    reference = checked_reference(reference, "chargeback")
    checked_amount(amount)
    checked_amount(fee, "fee", least=NOTHING)
    if not payments or any(each.method != Payment.Method.BY_HAND for each in payments):
        raise InvalidParameter(
            "Only money that came outside Stripe is charged back here: Stripe reports its own.", param="payment"
        )
    with transaction.atomic():
        lock_credit_of(payments)
        workspace = lock_workspace(payments[0].workspace_id)
        refuse_repeated_reference(Dispute.objects.filter(payment__workspace=workspace), reference, "chargeback")
        made: list[Dispute] = []
        rest = amount
        for payment in [lock_payment(each.pk) for each in payments]:
            part = min(rest, payment.amount - payment.charged_back)
            if part > 0:
                made.append(_record(payment, part, reference, NOTHING if made else fee, actor, now))
                rest -= part
        if rest:
            raise NothingToCredit(
                f"{cents_text(amount - rest)} of it are left to be charged back, not {cents_text(amount)}.", param="amount"
            )
        return made


def chargeback_with(public_id: str) -> Dispute:
    """The chargeback that `charge_back` answered with under this id, or a dispute that Stripe reported. Raises NotFound."""
    found = Dispute.objects.filter(stripe_id=public_id).first() if is_storable(public_id) else None
    if found is None:
        raise NotFound("There is no such chargeback.")
    return found


def reverse_chargeback(dispute_id: int, reason: str, actor: str, now: datetime) -> list[Dispute]:
    """The bank paid again what a person had recorded as charged back under one reference: all of it, whichever payments it was
    of. Its fee stays.

    Raises InvalidParameter, and NothingToCredit where it was reversed before.
    """
    reason = checked_reason(reason)
    one = Dispute.objects.select_related("payment").get(pk=dispute_id)
    if not one.reference:
        raise InvalidParameter("Only a chargeback outside Stripe is reversed here: Stripe reports its own.", param="id")
    recorded = Dispute.objects.filter(payment__workspace=one.payment.workspace_id, reference=one.reference).order_by("pk")
    with transaction.atomic():
        lock_credit_of(Payment.objects.filter(disputes__in=recorded))
        booked = [each for each in recorded if each.is_booked]
        if not booked:
            raise NothingToCredit(f"The chargeback {one.reference!r} was reversed before.")
        for dispute in booked:
            dispute.status, dispute.updated_at = WON, now
            dispute.save(update_fields=["status", "updated_at"])
            payment = lock_payment(dispute.payment_id)
            reinstate(dispute, payment, actor, now, reference=dispute.reference, reason=reason)
    return booked


def _record(payment: Payment, amount: Decimal, reference: str, fee: Decimal, actor: str, now: datetime) -> Dispute:
    check_fraction(amount, payment.currency)
    dispute = Dispute.objects.create(
        stripe_id=new_id("cb"),
        payment=payment,
        amount=amount,
        currency=payment.currency,
        reason=REASON,
        status=LOST,
        fee=fee,
        reference=reference,
        recorded_by=actor,
        opened_at=now,
        updated_at=now,
    )
    lose(dispute, payment, now)
    return dispute
