"""Credit that a dispute or a refund took and does not take any more, because it was won or failed.

It comes back only as far as its money is still there. What refunds at Stripe took of that money meanwhile, or banks in disputes
that are lost, has its credit from then on. The transaction holds the payment and the workspaces that have this credit.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Sum

from metering.payments.booked import of_surplus
from metering.payments.models import Dispute, Payment, Refund
from metering.payments.refunds.booked import ahead_for, book_released_to_dispute, book_released_to_refund, borne_by_surplus
from metering.payments.refunds.bought import Cause, restore_bought, restore_kept

NOTHING = Decimal("0.00")


@dataclass(slots=True)
class Released:
    """Credit that is not taken any more, of which so much had been withdrawn before: that is handed on first."""

    amount: Decimal
    withdrawn: Decimal

    def hand_on(self, part: Decimal) -> Decimal:
        """`part` of it is another's; what of that had been withdrawn."""
        withdrawn = min(part, self.withdrawn)
        self.amount -= part
        self.withdrawn -= withdrawn
        return withdrawn


def release_credit(
    by: Dispute | Refund, payment: Payment, amount: Decimal, withdrawn: Decimal, cause: Cause, now: datetime
) -> None:
    """So much of what the payment paid for is not taken by `by` any more. What of it had been `withdrawn` goes to others first,
    and what is left of that is owed to the customer as before: it is credit only by an act of its own.
    """
    credit = Released(amount, withdrawn)
    _give_to_refunds(by, payment, credit, now)
    _give_to_disputes(by, payment, credit, now)
    rest = credit.amount - credit.withdrawn
    if payment.grant is None:
        restore_kept(payment, rest, cause, now)
    elif rest > 0:
        restore_bought(payment.grant, payment, rest, cause, now)


def due_on_invoices(refund: Refund) -> Decimal:
    """What invoices are due for because of it."""
    return refund.reopened.aggregate(sum=Sum("amount"))["sum"] or NOTHING


def _without_money(by: Dispute | Refund, payment: Payment, amount: Decimal) -> Decimal:
    """How much of the credit others may have the money of. What did not buy credit paid an invoice first."""
    if payment.grant is not None:
        return amount
    fresh = Payment.objects.get(pk=payment.pk)
    unsettled = payment.refunds.unsettled()
    if isinstance(by, Refund):
        unsettled = unsettled.exclude(pk=by.pk)
    going: Decimal = unsettled.aggregate(sum=Sum("amount"))["sum"] or NOTHING
    there = fresh.amount - fresh.refunded - going - fresh.kept - fresh.charged_back + fresh.reopened
    return max(NOTHING, amount - max(NOTHING, there))


def _give_to_refunds(by: Dispute | Refund, payment: Payment, credit: Released, now: datetime) -> None:
    """What refunds at Stripe lack of it is theirs."""
    others = payment.refunds.external().exclude(status=Refund.Status.FAILED)
    if isinstance(by, Refund):
        others = others.exclude(pk=by.pk)
    most = _without_money(by, payment, credit.amount)
    for each in others.order_by("pk") if most > 0 else []:
        on_invoices = due_on_invoices(each)
        part = min(most, each.amount - each.credit_taken - of_surplus(each) - on_invoices, ahead_for(payment))
        if part > 0:
            book_released_to_refund(by, each, part, now)
            counted = min(part, each.excess - on_invoices)
            payment.refunds.filter(pk=each.pk).update(
                credit_taken=F("credit_taken") + part,
                of_withdrawn=F("of_withdrawn") + credit.hand_on(part),
                excess=F("excess") - counted,
            )
            Payment.objects.filter(pk=payment.pk).update(reopened=F("reopened") - counted)
            most -= part


def _give_to_disputes(by: Dispute | Refund, payment: Payment, credit: Released, now: datetime) -> None:
    """What lost disputes lack of it is theirs."""
    lost = payment.disputes.filter(lost_at__isnull=False, reinstated_at__isnull=True)
    if isinstance(by, Dispute):
        lost = lost.exclude(pk=by.pk)
    for dispute in lost.order_by("pk") if credit.amount > 0 else []:
        on_invoices = sum((each.rest for each in dispute.reopened.all()), NOTHING)
        lacking = dispute.charged_back - dispute.credit_blocked - on_invoices - borne_by_surplus(dispute)
        part = min(credit.amount, lacking)
        if part > 0:
            book_released_to_dispute(dispute, payment, part, now)
            payment.disputes.filter(pk=dispute.pk).update(
                credit_blocked=F("credit_blocked") + part, of_withdrawn=F("of_withdrawn") + credit.hand_on(part)
            )
            Payment.objects.filter(pk=payment.pk).update(reopened=F("reopened") - part)
