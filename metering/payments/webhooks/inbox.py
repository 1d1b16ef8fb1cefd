"""The inbox of Stripe's webhooks: checked, stored once, answered, and handled later from what Stripe says then."""

from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import transaction

from metering.jobs.progress import Progress, unheard
from metering.payments.clock import ticking
from metering.payments.stripe.client import verify_webhook
from metering.payments.webhooks.handlers import handle
from metering.payments.webhooks.models import WebhookEvent
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import Clock
from workspaces import audit

log = structlog.get_logger(__name__)


def store_webhook(payload: bytes, signature: str, now: datetime) -> bool:
    """Stores the event, and says whether it was new. Raises ForgedWebhook, and InvalidParameter for what is no event."""
    event = verify_webhook(payload, signature)
    if not isinstance(event.get("id"), str) or not isinstance(event.get("type"), str):
        raise InvalidParameter("The body is not a Stripe event.", param="id")
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
    """Handles what waits, oldest first, and tries again what failed, less and less often. Counts of outcomes."""
    counts = {"handled": 0, "ignored": 0, "failed": 0}
    for event, at in WebhookEvent.objects.unhandled().each_due(ticking(now), progress):
        counts[_handle_one(event, at)] += 1
    return counts


def replay_webhook(event: WebhookEvent, actor: str, now: datetime) -> WebhookEvent:
    """Handles an event once more, whatever became of it: handling twice is handling once."""
    with transaction.atomic():
        WebhookEvent.objects.filter(pk=event.pk).update(status=WebhookEvent.Status.WAITING, tries=0, error="", next_try_at=now)
        audit.record(actor, "webhook.replayed", event.event_id, None, now=now, type=event.type)
    event.refresh_from_db()
    claimed = WebhookEvent.objects.unhandled().filter(pk=event.pk).claim(now)
    if claimed is not None:
        _handle_one(claimed, now)
    event.refresh_from_db()
    return event


def _handle_one(event: WebhookEvent, now: datetime) -> str:
    try:
        known = handle(event.type, event.object_id, about_of(event), now)
    except Exception as error:
        log.exception("webhook_failed", event_id=event.event_id, type=event.type)
        WebhookEvent.objects.filter(pk=event.pk).update(status=WebhookEvent.Status.FAILED)
        event.put_off(error, now)
        return "failed"
    status = WebhookEvent.Status.HANDLED if known else WebhookEvent.Status.IGNORED
    WebhookEvent.objects.filter(pk=event.pk).update(status=status, handled_at=now, error="", next_try_at=None)
    return str(status)


def about_of(event: WebhookEvent) -> dict[str, Any]:
    """The object as it was when the event was made: good for ids, never for its state."""
    found: dict[str, Any] = (event.payload.get("data") or {}).get("object") or {}
    return found
