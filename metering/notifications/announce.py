"""Notifying programs of what happened: a row that is written with what it tells of, and delivered after the commit."""

import json
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from metering.notifications.models import WebhookDelivery, notification_id
from metering.notifications.types import NOTIFICATION_TYPES
from omixa_billing.reminders import remind_soon
from workspaces.models import Workspace

DELIVER = "metering.deliver_webhooks"
INSERT = """
INSERT INTO metering_notification (public_id, workspace_id, type, key, data, created_at)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (key) DO NOTHING RETURNING id
"""
# Waits for one that is being deleted, which would else fail the act that announces.
SUBSCRIBED = """
SELECT id FROM metering_webhookendpoint
WHERE status = 'active' AND (workspace_id = %(workspace)s OR workspace_id IS NULL) AND (types IS NULL OR %(type)s = ANY(types))
ORDER BY id FOR KEY SHARE
"""


def announce(workspace: Workspace | None, type: str, key: str, data: dict[str, Any], now: datetime) -> bool:
    """Notifies of it once per key, whatever runs twice or at once, and says whether this was the first time.

    Call it inside the transaction that does what it tells of, late: another transaction with the same key waits for the commit,
    and one that announces several does so in the order of their keys. `workspace` is null for what concerns operators only,
    `type` one of NOTIFICATION_TYPES, and `data` JSON: amounts as texts, instants as RFC 3339.
    """
    with transaction.atomic():
        notification = add_notification(workspace, type, key, data, now)
        if notification is None:
            return False
        with connection.cursor() as cursor:
            cursor.execute(SUBSCRIBED, {"workspace": None if workspace is None else workspace.pk, "type": type})
            endpoints = [pk for (pk,) in cursor.fetchall()]
        queue_deliveries(notification, endpoints, now)
    return True


def add_notification(workspace: Workspace | None, type: str, key: str, data: dict[str, Any], now: datetime) -> int | None:
    """Its number, or None where there is one with this key. Nobody is notified yet."""
    if type not in NOTIFICATION_TYPES:
        raise ValueError(f"{type!r} is no type of notification: add it to NOTIFICATION_TYPES.")
    row = [notification_id(), None if workspace is None else workspace.pk, type, key, json.dumps(data), now]
    with connection.cursor() as cursor:
        cursor.execute(INSERT, row)
        found = cursor.fetchone()
    return None if found is None else int(found[0])


def queue_deliveries(notification: int, endpoints: list[int], now: datetime) -> None:
    """Sent as soon as this transaction is committed."""
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(notification_id=notification, endpoint_id=endpoint, created_at=now) for endpoint in endpoints
    )
    if endpoints:
        transaction.on_commit(ask_for_delivery)


def ask_for_delivery() -> None:
    """Of a worker, within 50 ms."""
    remind_soon(DELIVER)
