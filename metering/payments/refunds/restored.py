"""What a refund that failed gives back: the credit that went with it, once, and only what nothing else took meanwhile."""

from datetime import datetime
from decimal import Decimal

from django.db.models import F

from metering.payments.booked import of_surplus
from metering.payments.models import Payment, Refund
from metering.payments.refunds.booked import book_absorbed, book_refund_lifted
from metering.payments.refunds.bought import cause_of, restore_bought, restore_kept
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
    cause = cause_of(refund)._replace(why=why_of(refund))
    if payment.grant is None:
        restore_kept(payment, refund.credit_taken, cause, now)
    else:
        credit = _give_to_external(refund, payment, refund.credit_taken, now)
        credit = absorb(payment, refund, credit, now)
        if credit:
            restore_bought(payment.grant, payment, credit, cause, now)
    block_running(payment, now)


def why_of(refund: Refund) -> str:
    return f"The refund {refund.public_id} failed"


def _give_to_external(refund: Refund, payment: Payment, credit: Decimal, now: datetime) -> Decimal:
    """Refunds at Stripe that came while this one waited took the money: what they lack of the credit is theirs. The rest."""
    external = payment.refunds.filter(idempotency_key__startswith="stripe-").exclude(status=Refund.Status.FAILED)
    for each in external.exclude(pk=refund.pk).order_by("pk"):
        owed = sum((part.amount for part in each.reopened.all()), NOTHING)
        lacking = min(credit, each.amount - each.credit_taken - owed - of_surplus(each))
        if lacking > 0:
            book_absorbed(refund, lacking, each, now)
            Refund.objects.filter(pk=each.pk).update(credit_taken=F("credit_taken") + lacking)
            credit -= lacking
    return credit
