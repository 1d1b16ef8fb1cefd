"""What Stripe's answers make of an attempt: money becomes a payment, and what took none ends at Stripe before it ends here."""

from datetime import datetime
from typing import Any

from django.db import transaction

from metering.invoicing.models import Invoice
from metering.payments.announced import announce_decline
from metering.payments.collecting.dunning import after_decline
from metering.payments.collecting.record import record_payment
from metering.payments.disputes.disputes import LOST, keep_dispute
from metering.payments.locks import lock_attempt
from metering.payments.mails.outbox import add_notice
from metering.payments.models import Dispute, Payment, PaymentAccount, PaymentAttempt, TopUp
from metering.payments.provider.calls import is_final
from metering.payments.provider.current import provider
from metering.payments.provider.errors import ProviderRefused
from metering.payments.provider.objects import Claim, Intent

# What a payment that had succeeded is once its debit was returned.
RETURNED = ("declined", "canceled")
DECLINED, CANCELED = PaymentAttempt.Status.DECLINED, PaymentAttempt.Status.CANCELED
NEEDS_OWNER = "The bank asks you to confirm this payment: pay on the payment page instead."


def apply_intent(attempt: PaymentAttempt, intent: Intent, now: datetime) -> None:
    """Acts on an attempt's intent as it is now. May come late, twice, and for an attempt that is settled."""
    PaymentAttempt.objects.filter(pk=attempt.pk, intent_id__isnull=True).update(intent_id=intent.id)
    attempt = PaymentAttempt.objects.get(pk=attempt.pk)
    if intent.status == "succeeded":
        record_payment(attempt, intent, now)
    elif attempt.status == PaymentAttempt.Status.SUCCEEDED and intent.status in RETURNED:
        _note_return(attempt, intent, now)
    elif attempt.status not in PaymentAttempt.UNSETTLED or attempt.intent_id != intent.id:
        _cancel_intent(attempt, intent)  # nobody waits for it any more: it must not succeed later
    elif intent.status == "processing":
        PaymentAttempt.objects.filter(pk=attempt.pk, status=PaymentAttempt.Status.STARTED).update(
            status=PaymentAttempt.Status.PROCESSING, code="", message=""
        )
    elif intent.status == "canceled":
        _note_end(attempt, now)
    elif intent.status == "declined":
        _end(attempt, intent, intent.code or "declined", intent.message, now)
    elif intent.status == "unconfirmed":
        _end(attempt, intent, "authentication_required", NEEDS_OWNER, now)
    elif is_final(attempt, now):  # Stripe failed half way
        _end(attempt, intent, "", "", now)


def _note_return(attempt: PaymentAttempt, intent: Intent, now: datetime) -> None:
    """A bank debit that had succeeded was returned, maybe weeks later: as a dispute that is lost at once."""
    payment = Payment.objects.filter(intent_id=intent.id).first()
    if payment is None:
        return
    _cancel_intent(attempt, intent)  # nobody waits for it any more: it must not succeed once more
    claim = Claim(
        id=f"returned-{intent.id}",
        status=LOST,
        reason=intent.code or "debit_returned",
        amount=payment.amount,
        currency=payment.currency,
        intent=intent.id,
        opened_at=now,
    )
    if not Dispute.objects.filter(stripe_id=claim.id).exists():
        keep_dispute(claim, payment.pk, now)


def end_attempt(attempt: PaymentAttempt, status: str, code: str, message: str, now: datetime, **still: Any) -> bool:
    """Ends an unsettled attempt without money, and does what follows from it, once; whether this call did.

    `still`: what else has to be so when it is written.
    """
    with transaction.atomic():
        locked = lock_attempt(attempt.pk)
        invoice = locked.invoice
        unsettled = PaymentAttempt.objects.unsettled().filter(pk=attempt.pk)
        if not unsettled.filter(**still).update(
            status=status, code=code[:100], message=message, session_url="", busy_until=None, settled_at=now
        ):
            return False
        if invoice is None:
            _fail_top_up(locked, status, message, now)
        elif status == DECLINED and invoice.status == Invoice.Status.OPEN:
            attempt.message = message
            after_decline(invoice, attempt, now)
        if status == DECLINED:
            attempt.refresh_from_db()
            announce_decline(attempt, now)
        return True


def _end(attempt: PaymentAttempt, intent: Intent, code: str, message: str, now: datetime) -> None:
    """Ends the intent, then the attempt. Why is kept first: of a canceled intent Stripe does not say it again."""
    unsettled = PaymentAttempt.objects.unsettled().filter(pk=attempt.pk)
    unsettled.update(code=code[:100], message=message)
    ended = _cancel_intent(attempt, intent)
    if ended.status in ("succeeded", "processing"):
        apply_intent(attempt, ended, now)
    else:
        _note_end(attempt, now)


def _note_end(attempt: PaymentAttempt, now: datetime) -> None:
    attempt.refresh_from_db()
    if attempt.code:
        end_attempt(attempt, DECLINED, attempt.code, attempt.message, now)
    else:
        end_attempt(attempt, CANCELED, "", "Canceled at Stripe: nothing was charged.", now)


def _cancel_intent(attempt: PaymentAttempt, intent: Intent) -> Intent:
    """The intent as it is once nobody can pay it any more.

    Stripe cancels none of a page's: those end with the page, which is complete or expired by then. Of one that it refuses
    to cancel only our key can make anything, and its state says what it has come to.
    """
    if intent.status in ("canceled", "processing") or attempt.channel == PaymentAttempt.Channel.PAYMENT_PAGE:
        return intent
    try:
        return provider().cancel_payment(intent.id)
    except ProviderRefused:
        return provider().look_up_payment(intent.id)


def _fail_top_up(attempt: PaymentAttempt, status: str, message: str, now: datetime) -> None:
    top_up = TopUp.objects.get(attempts=attempt)
    TopUp.objects.filter(pk=top_up.pk, status=TopUp.Status.PENDING).update(
        status=TopUp.Status.FAILED, message=message, settled_at=now
    )
    if top_up.automatic and status == DECLINED:
        account = PaymentAccount.objects.filter(workspace=attempt.workspace)
        account.update(top_ups_stopped_at=now, top_up_stopped=message[:300])
        context = {"amount": f"{top_up.amount:.2f}", "message": message}
        add_notice(attempt.workspace, "top_up_failed", f"top_up_failed:{top_up.public_id}", context, now)
