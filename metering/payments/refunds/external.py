"""Refunds that a person made at Stripe itself. They are facts: what they give back beyond what is left is owed again."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Sum

from metering.money import cents_text
from metering.payments.booked import book_refund_begun, left_of_surplus
from metering.payments.collecting.attempts import payment_of_intent
from metering.payments.locks import lock_payment_with_credit
from metering.payments.models import Payment, Refund
from metering.payments.provider.objects import ProviderRefund
from metering.payments.refunds.booked import book_owed_for_refund
from metering.payments.refunds.bought import cause_of, reclaim, reclaim_kept_beyond
from metering.payments.refunds.outcomes import apply_refund, refund_status
from metering.payments.refunds.reopened import reopen_for
from workspaces import audit

NOTHING = Decimal("0.00")
STRIPE = "stripe"
REASON = "Refunded at Stripe"


def record_refund(found: ProviderRefund, now: datetime) -> bool:
    """What Stripe says of a refund, ours or a person's; False when its payment is none of ours. Raises PaymentTooEarly."""
    ours = Refund.objects.filter(public_id=found.metadata.get("omixa_refund", "")).first()
    if ours is None:
        return record_external_refund(found, now)
    apply_refund(ours, found, now)
    return True


def record_external_refund(found: ProviderRefund, now: datetime) -> bool:
    """Keeps the refund beside its payment; False when the payment is none of ours. Raises PaymentTooEarly.

    Credit that the payment bought, or that a credit note kept of it, is taken back as far as it is left: `credit_taken` says
    how far.
    """
    known = payment_of_intent(found.intent, now)
    if known is None:
        return False
    with transaction.atomic():
        payment = lock_payment_with_credit(known.pk)
        refund = Refund.objects.filter(stripe_id=found.id).first() or _keep(payment, found, now)
    apply_refund(refund, found, now)
    return True


def _keep(payment: Payment, found: ProviderRefund, now: datetime) -> Refund:
    refund = Refund.objects.create(
        payment=payment,
        amount=found.amount,
        currency=payment.currency,
        origin=Refund.Origin.PROVIDER,
        reason=REASON,
        idempotency_key=f"stripe-{found.id}",
        stripe_id=found.id,
        started_at=now,
        started_by=STRIPE,
    )
    amount = cents_text(found.amount)
    audit.record(STRIPE, "payment.refund", refund.public_id, payment.workspace, now=now, amount=amount, reason=REASON)
    due = NOTHING if refund_status(found) == Refund.Status.FAILED else _reclaim_bought(refund, payment, now)
    book_refund_begun(refund, now)
    if due > 0:
        book_owed_for_refund(refund, reopen_for(payment, refund, due, REASON, now), now)
    Payment.objects.filter(pk=payment.pk).update(reopened=F("reopened") + refund.excess)
    return refund


def _reclaim_bought(refund: Refund, payment: Payment, now: datetime) -> Decimal:
    """What the payment had bought goes with its money. What is missing of that is owed again: how much of it to be due now."""
    by_ours = NOTHING
    if payment.grant is not None:
        excess = refund.amount - min(refund.amount, left_of_surplus(payment))
        refund.of_withdrawn, credit = reclaim(payment, excess, cause_of(refund), now)
        refund.credit_taken = refund.of_withdrawn + credit
        by_ours = _reclaimed_by_ours(refund, payment, excess)
    else:
        excess = reclaim_kept_beyond(refund, payment, now)
    refund.excess = excess - refund.credit_taken
    refund.save(update_fields=["credit_taken", "of_withdrawn", "excess"])
    return refund.excess - by_ours


def _reclaimed_by_ours(refund: Refund, payment: Payment, most: Decimal) -> Decimal:
    """Credit that a refund of ours holds, which Stripe has not made yet: if it fails, this one has it (`released.py`)."""
    ours = payment.refunds.filter(status=Refund.Status.STARTED, stripe_id__isnull=True).exclude(pk=refund.pk)
    return min(ours.aggregate(sum=Sum("credit_taken"))["sum"] or NOTHING, most - refund.credit_taken)
