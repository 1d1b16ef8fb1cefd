"""The queue of deliveries as a whole: what is due, how long it waits, and what is past its time."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from metering.notifications.models import WebhookDelivery, WebhookEndpoint

# What became of a delivery can be looked up for so long, and it can be sent again.
KEPT_FOR = timedelta(days=30)
# So long is one key announced once.
NOTIFICATIONS_KEPT_FOR = timedelta(days=90)
AT_ONCE = 5_000  # rows in one statement

DUE = """
SELECT count(*), min(coalesce(next_try_at, delivery.created_at)) FROM metering_webhookdelivery delivery
JOIN metering_webhookendpoint endpoint ON endpoint.id = endpoint_id AND endpoint.status = 'active'
WHERE delivery.status = 'waiting' AND (next_try_at IS NULL OR next_try_at <= %s)
"""
DROP_DELIVERIES = """
WITH old AS (SELECT id FROM metering_webhookdelivery WHERE finished_at < %s LIMIT %s),
     attempts AS (DELETE FROM metering_webhookattempt WHERE delivery_id IN (SELECT id FROM old))
DELETE FROM metering_webhookdelivery WHERE id IN (SELECT id FROM old)
"""
DROP_NOTIFICATIONS = """
DELETE FROM metering_notification WHERE id IN (
  SELECT id FROM metering_notification notification WHERE created_at < %s
    AND NOT EXISTS (SELECT FROM metering_webhookdelivery WHERE notification_id = notification.id) LIMIT %s)
"""


def deliveries_due(now: datetime) -> tuple[int, float]:
    """How many could be sent now, and for how many seconds the oldest of them can. What is put off is not due."""
    with connection.cursor() as cursor:
        cursor.execute(DUE, [now])
        count, since = cursor.fetchone()
    return int(count), 0.0 if since is None else max((now - since).total_seconds(), 0.0)


def deliveries_of(endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
    """The newest first, with all that a reader of one needs but its attempts."""
    rows = WebhookDelivery.objects.filter(endpoint=endpoint).order_by("-pk")
    return rows.select_related("endpoint__workspace", "notification__workspace")


def failing_webhooks() -> QuerySet[WebhookEndpoint]:
    """Active ones whose last attempt failed."""
    return WebhookEndpoint.objects.filter(status="active", failing_since__isnull=False)


def tidy_webhooks(now: datetime) -> dict[str, Any]:
    """Drops what is past its time. Counts."""
    return {
        "deliveries": _drop(DROP_DELIVERIES, now - KEPT_FOR),
        "notifications": _drop(DROP_NOTIFICATIONS, now - NOTIFICATIONS_KEPT_FOR),
    }


def _drop(statement: str, before: datetime) -> int:
    dropped = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(statement, [before, AT_ONCE])
            dropped += cursor.rowcount
            if cursor.rowcount < AT_ONCE:
                return dropped
