"""Attempts to collect an amount: written first, asked of Stripe second, settled by what Stripe says.

Why nothing is ever charged twice: an invoice has one unsettled attempt at most (the database sees to it), an attempt asks
under one idempotency key, and a new attempt begins only when the last one is known to have failed. What is known is what
Stripe says of the intent; where its answer was lost, the intents of the customer are listed, which is complete where search
is not, and only when none carries the attempt's key, and none can come into being any more, is the attempt given up.
"""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from metering.errors import InvoiceNotOpen
from metering.invoicing.draft import hold
from metering.invoicing.models import Invoice
from metering.payments.dunning import after_decline
from metering.payments.models import PaymentAccount, PaymentAttempt, TopUp
from metering.payments.notices import tell
from metering.payments.record import record_payment
from metering.payments.stripe_edge import StripeRefused, StripeUnavailable, edge
from metering.payments.stripe_objects import Intent, Session
from workspaces.models import Workspace

log = structlog.get_logger(__name__)

SAVED_METHOD, PAYMENT_PAGE = "saved_method", "payment_page"
# Stripe keeps a key for 24 hours at least; then the same question would be a new payment.
KEY_LIVES = timedelta(hours=20)
# By then a request that Stripe answered with a failure has come to its end there.
SETTLES_WITHIN = timedelta(minutes=10)
CLOCKS_DIFFER = timedelta(minutes=10)


def begin_for_invoice(invoice_id: int, channel: str, account: PaymentAccount, now: datetime) -> PaymentAttempt:
    """The invoice's unsettled attempt, or a new one over all that is due. Committed before Stripe hears of it.

    Raises InvoiceNotOpen.
    """
    with transaction.atomic():
        workspace = hold(account.workspace_id)
        invoice = Invoice.objects.select_for_update().get(pk=invoice_id)
        standing = invoice.attempts.filter(status__in=PaymentAttempt.UNSETTLED).first()
        if standing is not None:
            return standing
        if invoice.status != Invoice.Status.OPEN or invoice.amount_due <= 0:
            raise InvoiceNotOpen(f"The invoice {invoice} is {invoice.status}: there is nothing to pay.")
        number = invoice.attempts.count() + 1
        return PaymentAttempt.objects.create(
            workspace=workspace,
            invoice=invoice,
            number=number,
            amount=invoice.amount_due,
            currency=invoice.currency,
            channel=channel,
            idempotency_key=f"invoice-{invoice.public_id}-attempt-{number}",
            customer_id=account.customer_id or "",
            method_id=account.method_id if channel == SAVED_METHOD else "",
            started_at=now,
        )


def begin_for_top_up(top_up: TopUp, channel: str, account: PaymentAccount, now: datetime) -> PaymentAttempt:
    """A top-up's one attempt."""
    attempt, _ = PaymentAttempt.objects.get_or_create(
        top_up=top_up,
        number=1,
        defaults={
            "workspace_id": account.workspace_id,
            "amount": top_up.amount,
            "currency": top_up.currency,
            "channel": channel,
            "idempotency_key": f"topup-{top_up.public_id}-attempt-1",
            "customer_id": account.customer_id or "",
            "method_id": account.method_id if channel == SAVED_METHOD else "",
            "started_at": now,
        },
    )
    return attempt


def pursue(attempt: PaymentAttempt, now: datetime) -> PaymentAttempt:
    """Asks Stripe how the attempt stands, making the payment or the page if there is none; the attempt as it is then.

    An unknown outcome leaves it unsettled: the next run asks again.
    """
    if attempt.status not in PaymentAttempt.UNSETTLED:
        return attempt
    if attempt.intent_id:
        take_answer(attempt, edge().retrieve_intent(attempt.intent_id), now)
    elif attempt.channel == PAYMENT_PAGE:
        _pursue_page(attempt, now)
    else:
        _charge(attempt, now)
    attempt.refresh_from_db()
    return attempt


def take_answer(attempt: PaymentAttempt, intent: Intent, now: datetime) -> None:
    """Stores the intent's id, then acts on what Stripe says of it. May come late, twice, and for a settled attempt."""
    PaymentAttempt.objects.filter(pk=attempt.pk, intent_id__isnull=True).update(intent_id=intent.id)
    if intent.status == "succeeded":
        record_payment(attempt, intent, now)
    elif intent.status == "processing":
        PaymentAttempt.objects.filter(pk=attempt.pk, status=PaymentAttempt.Status.STARTED).update(
            status=PaymentAttempt.Status.PROCESSING
        )
    elif intent.status == "canceled":
        _settle(attempt, PaymentAttempt.Status.CANCELED, "", "Canceled at Stripe.", now)
    elif intent.status == "declined" and attempt.channel == SAVED_METHOD:
        _settle(attempt, PaymentAttempt.Status.DECLINED, intent.code, intent.message, now)


def recover(now: datetime) -> dict[str, int]:
    """Takes up every unsettled attempt: after a crash, a lost answer, or when a webhook never came. Counts of outcomes."""
    counts = {"settled": 0, "waiting": 0, "unavailable": 0}
    for attempt in PaymentAttempt.objects.filter(status__in=PaymentAttempt.UNSETTLED).order_by("pk"):
        try:
            attempt = pursue(attempt, now)
        except StripeUnavailable as error:
            log.warning("stripe_unavailable", attempt=attempt.idempotency_key, error=str(error))
            counts["unavailable"] += 1
        else:
            counts["waiting" if attempt.status in PaymentAttempt.UNSETTLED else "settled"] += 1
    return counts


def close_page(attempt: PaymentAttempt, now: datetime) -> PaymentAttempt:
    """Ends an attempt's open page, so that nobody can pay there any more; if somebody just did, that stands."""
    if attempt.session_id and not attempt.intent_id:
        try:
            edge().expire_session(attempt.session_id)
        except StripeRefused as refused:  # it is complete, or expired already: what follows finds out
            log.info("page_not_open", attempt=attempt.idempotency_key, error=str(refused))
    elif not attempt.session_id:  # nobody was ever told its address
        _settle(attempt, PaymentAttempt.Status.CANCELED, "", "No page was opened.", now)
    return pursue(PaymentAttempt.objects.get(pk=attempt.pk), now)


def metadata_of(attempt: PaymentAttempt) -> dict[str, str]:
    """What finds the payment again at Stripe."""
    about = attempt.invoice or attempt.top_up
    assert about is not None  # noqa: S101 - a constraint of the table
    name = "omixa_invoice" if attempt.invoice_id else "omixa_top_up"
    return {"omixa_attempt": attempt.idempotency_key, name: about.public_id, "omixa_workspace": attempt.workspace.public_id}


def description_of(attempt: PaymentAttempt) -> str:
    return f"Invoice {attempt.invoice.number}" if attempt.invoice else f"Credit for {attempt.workspace.name}"


def _charge(attempt: PaymentAttempt, now: datetime) -> None:
    if now - attempt.started_at > KEY_LIVES:
        _take_or_give_up(attempt, _made_already(attempt), now)
        return
    try:
        intent = edge().create_intent(
            attempt.customer_id,
            attempt.method_id,
            attempt.amount,
            attempt.currency,
            metadata_of(attempt),
            attempt.idempotency_key,
        )
    except StripeUnavailable as error:
        made = _made_already(attempt)
        if made is None and not (error.answered and now - attempt.started_at >= SETTLES_WITHIN):
            raise
        _take_or_give_up(attempt, made, now)
    except StripeRefused as refused:
        if refused.code == "idempotency_error":
            raise
        _settle(attempt, PaymentAttempt.Status.DECLINED, refused.code, str(refused), now)
    else:
        take_answer(attempt, intent, now)


def _made_already(attempt: PaymentAttempt) -> Intent | None:
    """The payment that an earlier, unanswered call made."""
    since = attempt.started_at - CLOCKS_DIFFER
    intents = edge().list_intents(since, attempt.customer_id)
    return next((each for each in intents if each.metadata.get("omixa_attempt") == attempt.idempotency_key), None)


def _take_or_give_up(attempt: PaymentAttempt, made: Intent | None, now: datetime) -> None:
    if made is not None:
        take_answer(attempt, made, now)
    else:
        _settle(attempt, PaymentAttempt.Status.CANCELED, "", "Stripe failed, and made no payment.", now)


def _pursue_page(attempt: PaymentAttempt, now: datetime) -> None:
    if attempt.session_id:
        session = edge().retrieve_session(attempt.session_id)
    else:
        made = _new_page(attempt, now)
        if made is None:
            return
        session = made
        PaymentAttempt.objects.filter(pk=attempt.pk).update(session_id=session.id, session_url=session.url)
    if session.intent:
        take_answer(attempt, edge().retrieve_intent(session.intent), now)
    if session.status == "expired":
        _settle(attempt, PaymentAttempt.Status.CANCELED, "", "The payment page expired.", now)


def _new_page(attempt: PaymentAttempt, now: datetime) -> Session | None:
    """None when it is too late to make the page under the attempt's key: nobody ever saw its address."""
    back = f"{settings.PUBLIC_URL}/billing"
    if now - attempt.started_at > KEY_LIVES:
        _settle(attempt, PaymentAttempt.Status.CANCELED, "", "No page was opened.", now)
        return None
    try:
        return edge().create_payment_session(
            attempt.customer_id,
            attempt.amount,
            attempt.currency,
            description_of(attempt),
            metadata_of(attempt),
            f"{back}?paid=1",
            back,
            attempt.idempotency_key,
        )
    except StripeUnavailable as error:
        if not error.answered:
            raise
        _settle(attempt, PaymentAttempt.Status.CANCELED, "", "Stripe failed to open a page.", now)
        return None


def _settle(attempt: PaymentAttempt, status: str, code: str, message: str, now: datetime) -> None:
    """Ends an unsettled attempt without money, and does what follows from it, once."""
    with transaction.atomic():
        workspace = hold(attempt.workspace_id)
        invoice = Invoice.objects.select_for_update().filter(attempts=attempt).first()
        moved = PaymentAttempt.objects.filter(pk=attempt.pk, status__in=PaymentAttempt.UNSETTLED).update(
            status=status, code=code[:100], message=message, settled_at=now
        )
        if not moved:
            return
        if invoice is None:
            _fail_top_up(workspace, attempt, status, message, now)
        elif status == PaymentAttempt.Status.DECLINED and invoice.status == Invoice.Status.OPEN:
            attempt.message = message
            after_decline(invoice, attempt, now)


def _fail_top_up(workspace: Workspace, attempt: PaymentAttempt, status: str, message: str, now: datetime) -> None:
    top_up = TopUp.objects.get(attempts=attempt)
    TopUp.objects.filter(pk=top_up.pk, status=TopUp.Status.PENDING).update(
        status=TopUp.Status.FAILED, message=message, settled_at=now
    )
    if top_up.automatic and status == PaymentAttempt.Status.DECLINED:
        PaymentAccount.objects.filter(workspace=workspace).update(top_up_stopped=message[:300])
        context = {"amount": f"{top_up.amount:.2f}", "message": message}
        tell(workspace, "top_up_failed", f"top_up_failed:{top_up.public_id}", context, now)
