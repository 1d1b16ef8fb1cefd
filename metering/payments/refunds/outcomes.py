"""What became of a refund at Stripe: stored and booked once, however often it is reported."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from metering.payments.announced import announce_refund
from metering.payments.booked import book_refund_failed, book_refund_made
from metering.payments.disputes.disputes import block_running
from metering.payments.locks import lock_payment_with_credit
from metering.payments.mails.money import mail_refund
from metering.payments.models import Payment, Refund
from metering.payments.provider.objects import ProviderRefund
from metering.payments.refunds.booked import book_owed_for_refund, book_refund_lifted, book_released_to_refund
from metering.payments.refunds.bought import cause_of, reclaim_kept_beyond
from metering.payments.refunds.released import due_on_invoices, release_credit
from metering.payments.refunds.reopened import lift, reopen_for

STATUSES = {"succeeded": Refund.Status.SUCCEEDED, "failed": Refund.Status.FAILED, "canceled": Refund.Status.FAILED}
NOTHING = Decimal("0.00")


def refund_status(found: ProviderRefund) -> str:
    """What we call Stripe's; whatever is neither done nor failed is on its way."""
    return str(STATUSES.get(found.status, Refund.Status.PENDING))


def apply_refund(begun: Refund, found: ProviderRefund, now: datetime) -> None:
    """Stores the refund's id, then what Stripe says of it."""
    Refund.objects.filter(pk=begun.pk, stripe_id__isnull=True).update(stripe_id=found.id, busy_until=None, trouble="")
    status = refund_status(found)
    if status == Refund.Status.PENDING:
        Refund.objects.filter(pk=begun.pk, status=Refund.Status.STARTED).update(status=status)
    else:
        finish_refund(begun, status, found.message, now)


def finish_refund(begun: Refund, status: str, message: str, now: datetime) -> None:
    """Once; a refund that succeeded and fails afterwards, as banks do, gives its amount back to the payment.

    What fails gives back the credit that was taken along, unless the money went back otherwise meanwhile.
    """
    with transaction.atomic():
        payment = lock_payment_with_credit(begun.payment_id)
        current = Refund.objects.select_for_update().get(pk=begun.pk)
        current.payment = payment
        if current.status == status or current.status == Refund.Status.FAILED:
            return
        change = NOTHING
        if status == Refund.Status.SUCCEEDED:
            change = current.amount
        elif current.status == Refund.Status.SUCCEEDED:
            change = -current.amount
        beyond = _reclaim_beyond(current, payment, now) if status == Refund.Status.SUCCEEDED else NOTHING
        Payment.objects.filter(pk=payment.pk).update(refunded=F("refunded") + change, reopened=F("reopened") + beyond)
        if status == Refund.Status.SUCCEEDED:
            book_refund_made(current, now)
            _book_beyond(current, beyond, now)
        elif status == Refund.Status.FAILED:
            _lift_reopened(current, payment, now)
            book_refund_failed(current, current.status == Refund.Status.SUCCEEDED, now)
            _restore_credit(current, payment, now)
        current.status, current.message, current.settled_at = status, message, now
        current.save(update_fields=["status", "message", "settled_at"])
        if status == Refund.Status.SUCCEEDED:
            announce_refund(current, now)
            mail_refund(current, now)


def _reclaim_beyond(refund: Refund, payment: Payment, now: datetime) -> Decimal:
    """What a refund of ours gives back beyond a payment that paid an invoice, since a person refunded at Stripe meanwhile, and
    no credit made of the payment is left for it. A person's was counted when it was heard of.
    """
    if refund.origin == Refund.Origin.PROVIDER or payment.grant is not None:
        return NOTHING
    refund.excess = reclaim_kept_beyond(refund, payment, now) - refund.credit_taken
    refund.save(update_fields=["credit_taken", "excess"])
    return refund.excess


def _book_beyond(refund: Refund, beyond: Decimal, now: datetime) -> None:
    if refund.origin == Refund.Origin.PROVIDER or refund.payment.grant is not None:
        return
    if refund.credit_taken > 0:
        book_released_to_refund(refund, refund, refund.credit_taken, now)
    if beyond > 0:
        why = f"The refund {refund.public_id} was made beside one at Stripe"
        book_owed_for_refund(refund, reopen_for(refund.payment, refund, beyond, why, now), now)


def _lift_reopened(refund: Refund, payment: Payment, now: datetime) -> None:
    """Before it is booked as failed: what was owed because of it is not any more."""
    if owed := due_on_invoices(refund):
        book_refund_lifted(refund, lift(refund, _why_of(refund), now), owed, now)
    Payment.objects.filter(pk=payment.pk).update(reopened=F("reopened") - refund.excess)


def _restore_credit(refund: Refund, payment: Payment, now: datetime) -> None:
    """Once it is booked as failed: the credit that went with it comes back."""
    if refund.credit_taken:
        cause = cause_of(refund)._replace(why=_why_of(refund))
        release_credit(refund, payment, refund.credit_taken, refund.of_withdrawn, cause, now)
    block_running(payment, now)


def _why_of(refund: Refund) -> str:
    return f"The refund {refund.public_id} failed"
