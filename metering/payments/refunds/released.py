"""Credit that a dispute or a refund took and does not take any more, because it was won or failed.

It comes back only as far as its money is still there. What refunds at Stripe took of that money meanwhile, or banks in disputes
that are lost, has its credit from then on. The transaction holds the payment and the workspaces that have this credit.
"""

from datetime import datetime
from decimal import Decimal

from django.db.models import F, Sum

from metering.payments.booked import of_surplus
from metering.payments.models import Dispute, Payment, Refund
from metering.payments.refunds.booked import ahead_for, book_released_to_dispute, book_released_to_refund, borne_by_surplus
from metering.payments.refunds.bought import Cause, restore_bought, restore_kept

NOTHING = Decimal("0.00")


def release_credit(by: Dispute | Refund, payment: Payment, amount: Decimal, cause: Cause, now: datetime) -> None:
    """So much of what the payment paid for is not taken by `by` any more."""
    rest = amount - _give_to_refunds(by, payment, min(amount, _without_money(by, payment, amount)), now)
    rest -= _give_to_disputes(by, payment, rest, now)
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


def _give_to_refunds(by: Dispute | Refund, payment: Payment, most: Decimal, now: datetime) -> Decimal:
    """What refunds at Stripe lack of it is theirs; how much."""
    rest = most
    others = payment.refunds.external().exclude(status=Refund.Status.FAILED)
    if isinstance(by, Refund):
        others = others.exclude(pk=by.pk)
    for each in others.order_by("pk") if most > 0 else []:
        part = min(rest, each.amount - each.credit_taken - of_surplus(each) - due_on_invoices(each), ahead_for(payment))
        if part > 0:
            book_released_to_refund(by, each, part, now)
            counted = min(part, each.excess - due_on_invoices(each))
            Refund.objects.filter(pk=each.pk).update(credit_taken=F("credit_taken") + part, excess=F("excess") - counted)
            Payment.objects.filter(pk=payment.pk).update(reopened=F("reopened") - counted)
            rest -= part
    return most - rest


def _give_to_disputes(by: Dispute | Refund, payment: Payment, most: Decimal, now: datetime) -> Decimal:
    """What lost disputes lack of it is theirs; how much."""
    rest = most
    lost = payment.disputes.filter(lost_at__isnull=False, reinstated_at__isnull=True)
    if isinstance(by, Dispute):
        lost = lost.exclude(pk=by.pk)
    for dispute in lost.order_by("pk") if most > 0 else []:
        placed = sum((each.rest for each in dispute.reopened.all()), NOTHING)
        part = min(rest, dispute.charged_back - dispute.credit_blocked - placed - borne_by_surplus(dispute))
        if part > 0:
            book_released_to_dispute(dispute, payment, part, now)
            Dispute.objects.filter(pk=dispute.pk).update(credit_blocked=F("credit_blocked") + part)
            Payment.objects.filter(pk=payment.pk).update(reopened=F("reopened") - part)
            rest -= part
    return most - rest
