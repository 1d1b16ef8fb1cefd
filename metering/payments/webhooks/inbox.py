"""The inbox of Stripe's webhooks: checked, stored once, answered, and handled later from what Stripe says then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet

from metering.jobs.progress import Progress, unheard
from metering.payments.clock import Clock, ticking
from metering.payments.models import WebhookEvent
from metering.payments.stripe.client import verify_webhook
from metering.payments.webhooks.handlers import handle
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit

log = structlog.get_logger(__name__)
# It is never given up: the job says that some fail, and the console shows which.
LONGEST_WAIT = timedelta(hours=4)
AT_ONCE = 200
LEASE = timedelta(minutes=5)


def store_webhook(payload: bytes, signature: str, now: datetime) -> bool:
    """Stores the event, and says whether it was new. Raises ForgedWebhook, and InvalidParameter for what is no event."""
    event = verify_webhook(payload, signature)
    if not isinstance(event.get("id"), str) or not isinstance(event.get("type"), str):
        raise InvalidParameter("The body is no event of Stripe's.", param="id")
    about = (event.get("data") or {}).get("object") or {}
    _, new = WebhookEvent.objects.get_or_create(
        event_id=event["id"],
        defaults={
            "type": event["type"],
            "object_id": str(about.get("id") or ""),
            "payload": event,
            "created_at": datetime.fromtimestamp(event.get("created") or now.timestamp(), UTC),
            "received_at": now,
        },
    )
    return new


def handle_waiting(now: datetime | Clock, progress: Progress = unheard) -> dict[str, int]:
    """Handles what waits, oldest first, and tries again what failed, less and less often. Counts of outcomes.

    The clock is read for each: the lease of the last begins when it is taken, not when the run began.
    """
    counts = {"handled": 0, "ignored": 0, "failed": 0}
    clock = ticking(now)
    waiting = min(_due(clock()).count(), AT_ONCE)
    for done in range(AT_ONCE):
        at = clock()
        event = _claim(at)
        if event is None:
            break
        counts[_handle_one(event, at)] += 1
        progress(done + 1, max(waiting, done + 1))
    return counts


def replay_webhook(event: WebhookEvent, actor: str, now: datetime) -> WebhookEvent:
    """Handles an event once more, whatever became of it: handling twice is handling once."""
    with transaction.atomic():
        WebhookEvent.objects.filter(pk=event.pk).update(status=WebhookEvent.Status.WAITING, tries=0, error="", next_try_at=now)
        audit.record(actor, "webhook.replayed", event.event_id, None, now=now, type=event.type)
    event.refresh_from_db()
    claimed = _claim(now, event.pk)
    if claimed is not None:
        _handle_one(claimed, now)
    event.refresh_from_db()
    return event


def _claim(now: datetime, pk: int | None = None) -> WebhookEvent | None:
    """One event to handle, leased for five minutes: whoever dies over it leaves it to the next."""
    with transaction.atomic():
        due = _due(now) if pk is None else _due(now).filter(pk=pk)
        event = due.select_for_update(skip_locked=True).order_by("pk").first()
        if event is not None:
            event.next_try_at = now + LEASE
            event.save(update_fields=["next_try_at"])
        return event


def _due(now: datetime) -> QuerySet[WebhookEvent]:
    due = WebhookEvent.objects.filter(status__in=["waiting", "failed"])
    return due.filter(Q(next_try_at__isnull=True) | Q(next_try_at__lte=now))


def _handle_one(event: WebhookEvent, now: datetime) -> str:
    try:
        known = handle(event.type, event.object_id, about_of(event), now)
    except Exception as error:
        log.exception("webhook_failed", event_id=event.event_id, type=event.type)
        wait = min(timedelta(minutes=2 ** min(event.tries, 10)), LONGEST_WAIT)
        WebhookEvent.objects.filter(pk=event.pk).update(
            status=WebhookEvent.Status.FAILED,
            tries=F("tries") + 1,
            error=f"{type(error).__name__}: {error}"[:2000],
            next_try_at=now + wait,
        )
        return "failed"
    status = WebhookEvent.Status.HANDLED if known else WebhookEvent.Status.IGNORED
    WebhookEvent.objects.filter(pk=event.pk).update(status=status, handled_at=now, error="", next_try_at=None)
    return str(status)


def about_of(event: WebhookEvent) -> dict[str, Any]:
    """The object as it was when the event was made: good for ids, never for its state."""
    found: dict[str, Any] = (event.payload.get("data") or {}).get("object") or {}
    return found
