"""Telling programs what happened: a row that is written with what it tells of, and delivered after the commit."""

import json
from datetime import datetime
from typing import Any

from django.db import connection

from metering.notifications.models import notification_id
from metering.notifications.types import NOTIFICATION_TYPES
from workspaces.models import Workspace

INSERT = """
INSERT INTO metering_notification (public_id, workspace_id, type, key, data, created_at)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (key) DO NOTHING RETURNING id
"""


def announce(workspace: Workspace | None, type: str, key: str, data: dict[str, Any], now: datetime) -> bool:
    """Tells of it once per key, whatever runs twice or at once, and says whether this was the first time.

    Call it inside the transaction that does what it tells of, late: another transaction with the same key waits for the commit,
    and one that announces several does so in the order of their keys. `workspace` is null for what concerns
    operators only, `type` one of NOTIFICATION_TYPES, and `data` JSON: amounts as texts, instants as RFC 3339.
    """
    if type not in NOTIFICATION_TYPES:
        raise ValueError(f"{type!r} is no type of notification: add it to NOTIFICATION_TYPES.")
    row = [notification_id(), None if workspace is None else workspace.pk, type, key, json.dumps(data), now]
    with connection.cursor() as cursor:
        cursor.execute(INSERT, row)
        return cursor.fetchone() is not None
