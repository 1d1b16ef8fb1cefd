"""Notifying programs of what happened: a row that is written with what it tells of, and delivered after the commit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from metering.notifications.models import WebhookDelivery, notification_id
from metering.notifications.types import NOTIFICATION_TYPES
from omixa_billing.reminders import remind_soon
from workspaces.models import Workspace

DELIVER = "metering.deliver_webhooks"
INSERT = """
INSERT INTO metering_notification (public_id, workspace_id, type, key, data, created_at)
SELECT * FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::jsonb[], %s::timestamptz[])
ON CONFLICT (key) DO NOTHING RETURNING id, key
"""
# Waits for one that is being deleted, which would else fail the act that announces.
SUBSCRIBED = """
SELECT id, workspace_id, types FROM metering_webhookendpoint
WHERE status = 'active' AND (workspace_id = ANY(%s) OR workspace_id IS NULL) AND (types IS NULL OR types && %s)
ORDER BY id FOR KEY SHARE
"""


class News(NamedTuple):
    """What `announce` takes, without the time."""

    workspace: Workspace | None
    type: str
    key: str
    data: dict[str, Any]

    @property
    def workspace_id(self) -> int | None:
        return None if self.workspace is None else self.workspace.pk


def announce(workspace: Workspace | None, type: str, key: str, data: dict[str, Any], now: datetime) -> bool:
    """Notifies of it once per key, whatever runs twice or at once, and says whether this was the first time.

    Call it inside the transaction that does what it tells of, late: another transaction with the same key waits for the commit,
    and one that announces several does so in the order of their keys. `workspace` is null for what concerns operators only,
    `type` one of NOTIFICATION_TYPES, and `data` JSON: amounts as texts, instants as RFC 3339.
    """
    return bool(announce_all([News(workspace, type, key, data)], now))


def announce_all(news: Iterable[News], now: datetime) -> int:
    """The same for many at once, with a handful of statements however many. How many of them were new."""
    ordered = sorted(news, key=lambda each: each.key)
    with transaction.atomic():
        added = _add(ordered, now)
        if added:
            first = [each for each in ordered if each.key in added]
            deliveries = [(added[each.key], endpoint) for each, endpoint in _subscribed(first)]
            queue_deliveries(deliveries, now)
    return len(added)


def add_notification(workspace: Workspace | None, type: str, key: str, data: dict[str, Any], now: datetime) -> int | None:
    """Its number, or None where there is one with this key. Nobody is notified yet."""
    return _add([News(workspace, type, key, data)], now).get(key)


def _add(news: list[News], now: datetime) -> dict[str, int]:
    """The numbers of those whose keys were new."""
    for each in news:
        if each.type not in NOTIFICATION_TYPES:
            raise ValueError(f"{each.type!r} is not a type of notification: add it to NOTIFICATION_TYPES.")
    if not news:
        return {}
    rows = [(notification_id(), each.workspace_id, each.type, each.key, json.dumps(each.data), now) for each in news]
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [list(column) for column in zip(*rows, strict=True)])
        return {key: int(pk) for pk, key in cursor.fetchall()}


def _subscribed(news: list[News]) -> list[tuple[News, int]]:
    """Each with each endpoint that wants it."""
    workspaces = {each.workspace_id for each in news if each.workspace_id is not None}
    with connection.cursor() as cursor:
        cursor.execute(SUBSCRIBED, [list(workspaces), list({each.type for each in news})])
        endpoints = cursor.fetchall()
    return [
        (each, pk)
        for each in (news if endpoints else [])
        for pk, workspace_id, types in endpoints
        if workspace_id in (None, each.workspace_id) and (types is None or each.type in types)
    ]


def queue_deliveries(deliveries: Iterable[tuple[int, int]], now: datetime) -> None:
    """Of (notification, endpoint). Sent as soon as this transaction is committed."""
    made = WebhookDelivery.objects.bulk_create(
        WebhookDelivery(notification_id=notification, endpoint_id=endpoint, created_at=now)
        for notification, endpoint in deliveries
    )
    if made:
        transaction.on_commit(ask_for_delivery)


def ask_for_delivery() -> None:
    """Of a worker, within 50 ms."""
    remind_soon(DELIVER)
