"""Attempts that are paid on a page of Stripe's. As long as it is open, what happens on it is its owner's affair.

The page says more than the payment on it: a card declined on an open page is tried again there, and a payment that fails after
the page is complete, as bank debits do, is a decline. Nobody can pay on a page whose address was never given out.
"""

from datetime import datetime

import structlog

from metering.payments.collecting import outcomes
from metering.payments.collecting.outcomes import CANCELED, end_attempt
from metering.payments.models import PaymentAttempt
from metering.payments.provider.calls import end_turn, reserve_turn
from metering.payments.provider.current import provider
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable
from metering.payments.provider.objects import Session

log = structlog.get_logger(__name__)
PAID = ("succeeded", "processing")
ENDED = ("declined", "canceled")


def sync_page(attempt: PaymentAttempt, now: datetime) -> None:
    """Takes what came of the page, or opens it. Raises ProviderUnavailable, ProviderRefused."""
    session = provider().look_up_page(attempt.session_id) if attempt.session_id else _open(attempt, now)
    if session is None:
        return
    if session.status != "open":
        PaymentAttempt.objects.filter(pk=attempt.pk).update(session_url="")
    intent = provider().look_up_payment(session.intent) if session.intent else None
    if intent is not None and intent.status in PAID:
        outcomes.apply_intent(attempt, intent, now)
    elif session.status == "expired":
        end_attempt(attempt, CANCELED, "", "The payment page expired.", now)
    elif session.status == "complete" and intent is not None and intent.status in ENDED:
        outcomes.apply_intent(attempt, intent, now)


def expire_page(attempt: PaymentAttempt, now: datetime) -> None:
    """Ends the page, so that nobody can pay there any more; if a person just did, that stands."""
    if not attempt.session_id and end_attempt(attempt, CANCELED, "", "No page was opened.", now, session_id=""):
        return
    attempt.refresh_from_db()
    if attempt.status == PaymentAttempt.Status.STARTED:
        _expire(attempt.session_id)
    if attempt.status in PaymentAttempt.UNSETTLED:
        sync_page(attempt, now)


def _open(attempt: PaymentAttempt, now: datetime) -> Session | None:
    """None when there is no page: another is opening it, Stripe failed to, or the attempt ended meanwhile."""
    request = attempt.request or provider().page_request(attempt)
    unopened = PaymentAttempt.objects.filter(pk=attempt.pk, status=PaymentAttempt.Status.STARTED, session_id="")
    if not reserve_turn(unopened, now, request=request):
        return None
    try:
        session = provider().open_payment_page(request, attempt.idempotency_key)
    except ProviderUnavailable as error:
        end_turn(attempt, now, error)
        if not error.answered:
            raise
        end_attempt(attempt, CANCELED, "", "Stripe failed to open a page.", now, session_id="")
        return None
    except ProviderRefused as refused:
        end_turn(attempt, now, refused)
        end_attempt(attempt, CANCELED, refused.reason, refused.message, now, session_id="")
        raise
    if not unopened.update(session_id=session.id, session_url=session.url, busy_until=None, trouble=""):
        attempt.refresh_from_db()
        if attempt.session_id != session.id:
            _expire(session.id)
        return None
    return session


def _expire(session_id: str) -> None:
    try:
        provider().close_page(session_id)
    except ProviderRefused as refused:  # it is complete, or expired already: what follows finds out
        log.info("page_not_open", session=session_id, error=str(refused))
