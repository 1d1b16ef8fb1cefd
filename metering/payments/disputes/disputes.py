"""Payments that a customer's bank asks back, as Stripe tells of them, and what that moves.

While one runs, its amount is in dispute: it is not refunded as well, and credit that it bought cannot be spent. Lost, the money
is gone: credit is taken back, and what was paid is owed again. Won, everything is as it was. An inquiry moves nothing. A bank
debit that is returned after it had succeeded is a dispute that was lost without asking.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Sum

from metering.journal.balances import left_of_payment
from metering.money import cents_text
from metering.payments.announced import announce_chargeback, announce_dispute, announce_dispute_won
from metering.payments.booked import left_of_surplus, left_owed_for, surplus_of
from metering.payments.locks import lock_payment_with_credit
from metering.payments.models import Dispute, Payment
from metering.payments.provider.objects import Claim
from metering.payments.refunds.attention import notify_of_dispute, notify_of_dispute_end
from metering.payments.refunds.booked import (
    book_in_dispute,
    book_lost,
    book_reinstated,
    borne_by_surplus,
    held_by,
)
from metering.payments.refunds.bought import Cause, cause_of, reclaim
from metering.payments.refunds.released import release_credit
from metering.payments.refunds.reopened import lift, reopen_for
from workspaces import audit

NOTHING = Decimal("0.00")
ACTOR = "stripe"
# Stripe's words. Of an inquiry, whose begin with "warning_", no money is taken.
WON, LOST = "won", "lost"
# Ends that operators get a mail of: one that is over when it is first heard of gets no other.
ENDS_NOTIFIED = (WON, LOST)
PAID_OTHERWISE = "The bank returned the money, and what it had paid for was paid in another way."


def keep_dispute(claim: Claim, payment_id: int, now: datetime) -> None:
    """Stores the dispute as it is at Stripe now, and does what follows, once; late and repeated news changes nothing."""
    with transaction.atomic():
        payment = lock_payment_with_credit(payment_id)
        dispute = Dispute.objects.filter(stripe_id=claim.id).first()
        is_new = dispute is None
        if dispute is not None and dispute.status in Dispute.OVER and claim.status not in Dispute.OVER:
            return  # asked before it was over, and kept by another worker meanwhile
        dispute = dispute or Dispute(stripe_id=claim.id, payment=payment, opened_at=claim.opened_at, updated_at=now)
        if not is_new and _facts_of(dispute) == _facts_of(claim):
            return
        dispute.payment = payment
        dispute.amount, dispute.reason, dispute.status, dispute.fee = _facts_of(claim)
        dispute.currency, dispute.updated_at = claim.currency, now
        dispute.save()
        facts = {"amount": cents_text(claim.amount), "currency": claim.currency, "reason": claim.reason, "status": claim.status}
        audit.record(ACTOR, "payment.disputed", payment.public_id, payment.workspace, now=now, dispute=claim.id, **facts)
        _follow(dispute, payment, now)
        if is_new:
            announce_dispute(dispute, now)
        if is_new and dispute.status not in ENDS_NOTIFIED:
            notify_of_dispute(dispute, now)


def in_dispute(payment: Payment) -> Decimal:
    """What of the payment banks ask back now."""
    running: Decimal = payment.disputes.running().aggregate(sum=Sum("amount"))["sum"] or NOTHING
    return running


def block_running(payment: Payment, now: datetime) -> None:
    """Credit that came back to a payment which is in dispute cannot be spent either."""
    for dispute in payment.disputes.running().order_by("pk"):
        _block(dispute, payment, dispute.amount, now)


def _follow(dispute: Dispute, payment: Payment, now: datetime) -> None:
    if dispute.status in Dispute.RUNNING:
        book_in_dispute(dispute, payment, min(dispute.amount, payment.amount), now)
        _block(dispute, payment, dispute.amount, now)
    elif dispute.status == LOST:
        lose(dispute, payment, now)
    else:
        _release(dispute, payment, now)


def _block(dispute: Dispute, payment: Payment, most: Decimal, now: datetime, back: Cause | None = None) -> None:
    """Credit that the payment paid for is out of reach, as far as it is left, up to the amount that is in dispute.

    `back` says why credit comes back, if it does for another reason than that it is not in dispute any more.
    """
    cause = cause_of(dispute)
    change = max(NOTHING, min(most, payment.amount) - _borne_before(dispute, payment)) - dispute.credit_blocked
    if change > 0:
        withdrawn, credit = reclaim(payment, change, cause, now)
        dispute.credit_blocked += withdrawn + credit
        dispute.of_withdrawn += withdrawn
    elif change < 0:
        dispute.credit_blocked += change
        withdrawn = max(NOTHING, dispute.of_withdrawn - dispute.credit_blocked)
        dispute.of_withdrawn -= withdrawn
        back = back or cause._replace(why=f"Not in dispute any more: {dispute.found_as}")
        release_credit(dispute, payment, -change, withdrawn, back, now)
    dispute.save(update_fields=["credit_blocked", "of_withdrawn"])


def _borne_before(dispute: Dispute, payment: Payment) -> Decimal:
    """What is disputed before credit is: what settles nothing, or, where credit notes made credit of a part, all but that."""
    if payment.grant is not None:
        return left_of_surplus(payment)
    left = left_of_payment(payment.workspace_id, payment.public_id, payment.currency) + held_by(dispute, payment)
    return max(NOTHING, left - payment.kept - left_owed_for(payment) - dispute.credit_blocked)


def lose(dispute: Dispute, payment: Payment, now: datetime) -> None:
    """The chargeback: never more of a payment than it is, whatever is reported twice."""
    if dispute.is_booked:
        return
    amount = min(dispute.amount, payment.amount - payment.charged_back)
    _block(dispute, payment, amount, now)
    dispute.charged_back, dispute.lost_at, dispute.reinstated_at = amount, now, None
    dispute.save(update_fields=["charged_back", "lost_at", "reinstated_at"])
    if amount <= 0:
        book_in_dispute(dispute, payment, NOTHING, now)
        return
    why = f"The bank took the payment back: {dispute.reason}"
    owed = max(NOTHING, amount - dispute.credit_blocked - left_of_surplus(payment))
    book_lost(dispute, payment, reopen_for(payment, dispute, owed, why, now), now)
    Payment.objects.filter(pk=payment.pk).update(charged_back=F("charged_back") + amount, reopened=F("reopened") + owed)
    payment.refresh_from_db(fields=["charged_back", "reopened"])
    details = {"amount": cents_text(amount), "fee": cents_text(dispute.fee), "dispute": dispute.stripe_id}
    if dispute.reference:
        details["reference"] = dispute.reference
    audit.record(dispute.recorded_by, "payment.charged_back", payment.public_id, payment.workspace, now=now, **details)
    announce_chargeback(dispute, now)
    if not dispute.reference:
        notify_of_dispute_end(dispute, now)


def _release(dispute: Dispute, payment: Payment, now: datetime) -> None:
    """It was won, withdrawn or prevented. If it had been lost before, the money came back."""
    if dispute.is_booked:
        reinstate(dispute, payment, ACTOR, now)
        return
    book_in_dispute(dispute, payment, NOTHING, now)
    _block(dispute, payment, NOTHING, now)
    if dispute.status == WON:
        announce_dispute_won(dispute, now)
        notify_of_dispute_end(dispute, now)


def reinstate(dispute: Dispute, payment: Payment, actor: str, now: datetime, **why: str) -> None:
    """The bank paid again what it had taken. What is not owed any more, having been paid otherwise, is a surplus."""
    of_surplus = borne_by_surplus(dispute)
    owed = dispute.charged_back - dispute.credit_blocked - of_surplus
    on_invoices = sum((each.rest for each in dispute.reopened.all()), NOTHING)
    back = Cause(dispute.stripe_id, f"The bank paid again: {dispute.found_as}", actor)
    lifted = lift(dispute, back.why, now, actor)
    spare = on_invoices - sum((each for _, each in lifted), NOTHING)
    book_reinstated(dispute, payment, [*lifted, (surplus_of(payment), of_surplus + spare)], actor, now)
    Payment.objects.filter(pk=payment.pk).update(
        charged_back=F("charged_back") - dispute.charged_back,
        reopened=F("reopened") - owed,
        surplus=PAID_OTHERWISE if spare else F("surplus"),
    )
    _block(dispute, payment, NOTHING, now, back)  # only now: no more of a payment is kept and gone than came in
    dispute.reinstated_at = now
    dispute.save(update_fields=["reinstated_at"])
    details = {"amount": cents_text(dispute.charged_back), "dispute": dispute.stripe_id, **why}
    audit.record(actor, "payment.reinstated", payment.public_id, payment.workspace, now=now, **details)
    announce_dispute_won(dispute, now)
    if not dispute.reference:
        notify_of_dispute_end(dispute, now)


def _facts_of(about: Dispute | Claim) -> tuple[Decimal, str, str, Decimal]:
    return about.amount, about.reason, about.status, about.fee
