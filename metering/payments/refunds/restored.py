"""What a refund that failed gives back: the credit that went with it, once, and only what nothing else took meanwhile."""

from datetime import datetime
from decimal import Decimal

from django.db.models import F

from metering.credits import ledger
from metering.journal.accounts import JournalAccount
from metering.journal.entries import Kind
from metering.journal.post import posted_under
from metering.payments.booked import owed_for
from metering.payments.models import Payment, Refund
from metering.payments.refunds.booked import book_absorbed, book_refund_lifted
from metering.payments.refunds.disputes import absorb, block_running
from metering.payments.refunds.reopened import lift

NOTHING = Decimal("0.00")


def lift_reopened(refund: Refund, payment: Payment, now: datetime) -> None:
    """Before it is booked as failed: what was owed because of it is not any more."""
    owed = sum((each.amount for each in refund.reopened.all()), NOTHING)
    if owed:
        book_refund_lifted(refund, lift(refund, why_of(refund), now), owed, now)
        Payment.objects.filter(pk=payment.pk).update(reopened=F("reopened") - owed)


def restore_credit(refund: Refund, payment: Payment, now: datetime) -> None:
    """Of a refund that was booked as failed, its payment locked: the credit that went with it comes back."""
    if payment.grant is None:
        _restore_kept(refund, payment, now)
        return
    credit = _give_to_external(refund, payment, refund.credit_taken, now)
    credit = absorb(payment, refund, credit, now)
    if credit:
        ledger.restore(payment.grant, credit, why_of(refund), refund.started_by, now, owed_for(payment))
    block_running(payment, now)


def why_of(refund: Refund) -> str:
    return f"The refund {refund.public_id} failed"


def _give_to_external(refund: Refund, payment: Payment, credit: Decimal, now: datetime) -> Decimal:
    """Refunds at Stripe that came while this one waited took the money: what they lack of the credit is theirs. The rest."""
    external = payment.refunds.filter(idempotency_key__startswith="stripe-").exclude(status=Refund.Status.FAILED)
    for each in external.exclude(pk=refund.pk).order_by("pk"):
        owed = sum((part.amount for part in each.reopened.all()), NOTHING)
        lacking = min(credit, each.amount - each.credit_taken - owed - _of_surplus(each))
        if lacking > 0:
            book_absorbed(refund, lacking, each, now)
            Refund.objects.filter(pk=each.pk).update(credit_taken=F("credit_taken") + lacking)
            credit -= lacking
    return credit


def _of_surplus(refund: Refund) -> Decimal:
    """What of it came out of money that settled nothing."""
    begun = posted_under(f"{Kind.REFUND_BEGUN}:{refund.public_id}")
    return sum((each.amount for each in begun if each.account == JournalAccount.SURPLUS), NOTHING)


def _restore_kept(refund: Refund, payment: Payment, now: datetime) -> None:
    credit = refund.credit_taken
    for part in payment.kept_parts.select_for_update(of=("self",)).select_related("grant").order_by("-pk"):
        back = min(credit, part.returned)
        if back > 0:
            ledger.restore(part.grant, back, why_of(refund), refund.started_by, now, owed_for(payment))
            part.returned -= back
            part.save(update_fields=["returned"])
            credit -= back
    Payment.objects.filter(pk=payment.pk).update(kept=F("kept") + refund.credit_taken - credit)
