"""The trail against the events: every correction begins where the one before it ended, and the event is where the last did.

Reads the trail and, by key, the events that are on it. The first price of an event that had none is the one change that
leaves no entry.
"""

from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from metering.components import QUANTITIES
from metering.ingest.models import EventStatus
from metering.money import exact_text
from metering.periods import Period
from metering.revisions.stored_events import look_up_by_key

# Entries from before a tier could change name none.
CHAIN = f"""
WITH entry AS (
    SELECT *, lead(id) OVER event AS next_id, lead(before_status) OVER event AS next_status,
           lead(before_source) OVER event AS next_source, lead(before_tokens) OVER event AS next_tokens,
           lead(before_price_id) OVER event AS next_price_id, lead(before_cost) OVER event AS next_cost,
           lead(before_others) OVER event AS next_others, lead(before_tier_id) OVER event AS next_tier
    FROM metering_eventcorrection
    WHERE %(start)s::timestamptz IS NULL OR occurred_at >= %(start)s AND occurred_at < %(end)s
    WINDOW event AS (PARTITION BY workspace_id, event_id ORDER BY id)
), step AS (
    SELECT entry.workspace_id, request_id, attempt, id, next_id, after_status, after_source, after_tokens, after_price_id,
           after_cost, next_status, next_source, next_tokens, next_price_id, next_cost, after_others, next_others,
           after_tier_id, next_tier
    FROM entry WHERE next_id IS NOT NULL
    UNION ALL
    SELECT entry.workspace_id, entry.request_id, entry.attempt, entry.id, NULL, after_status, after_source, after_tokens,
           after_price_id, after_cost, event.status, event.usage_source,
           ARRAY[{", ".join(f"event.{name}" for name in QUANTITIES)}], event.price_id, event.cost, after_others, event.others,
           after_tier_id, event.service_tier_id
    FROM entry LEFT JOIN metering_usageevent event ON event.workspace_id = entry.workspace_id
        AND event.occurred_at = entry.occurred_at AND event.id = entry.event_id
    WHERE next_id IS NULL
)
SELECT workspace.public_id, request_id, attempt, next_id IS NULL, after_status, after_tokens, after_cost, next_status,
       next_tokens, next_cost
FROM step JOIN workspaces_workspace workspace ON workspace.id = workspace_id
WHERE (after_status, after_source, after_tokens, after_others)
      IS DISTINCT FROM (next_status, next_source, next_tokens, next_others)
   OR (after_price_id, after_cost) IS DISTINCT FROM (next_price_id, next_cost) AND after_cost IS NOT NULL
   OR after_tier_id <> next_tier
ORDER BY step.id LIMIT %(limit)s
"""  # noqa: S608  # constants

IDLE = """
SELECT workspace.public_id, request_id, attempt, before_status, before_tokens, before_cost, after_status, after_tokens,
       after_cost
FROM metering_eventcorrection JOIN workspaces_workspace workspace ON workspace.id = workspace_id
WHERE NOT took_effect
  AND (before_status, before_source, before_tokens, before_price_id, before_cost, before_others, before_tier_id)
      IS DISTINCT FROM (after_status, after_source, after_tokens, after_price_id, after_cost, after_others, after_tier_id)
  AND (%(start)s::timestamptz IS NULL OR occurred_at >= %(start)s AND occurred_at < %(end)s)
ORDER BY metering_eventcorrection.id LIMIT %(limit)s
"""


def correction_differences(period: Period | None, limit: int = 100) -> list[dict[str, Any]]:
    """Where the trail of a month's events (None: of all) contradicts itself or an event: the first `limit` of each kind."""
    scope: dict[str, Any] = {"start": period and period.start, "end": period and period.end, "limit": limit}
    with transaction.atomic(), connection.cursor() as cursor:
        look_up_by_key()  # a few events among those of all months
        cursor.execute(CHAIN, scope)
        found = [
            _difference("event_is_as_last_corrected" if row[3] else "corrections_follow_each_other", row[:3], row[4:])
            for row in cursor.fetchall()
        ]
        cursor.execute(IDLE, scope)
        found += [_difference("without_effect_nothing_changes", row[:3], row[3:]) for row in cursor.fetchall()]
    return found


def _difference(check: str, event: tuple[Any, ...], states: tuple[Any, ...]) -> dict[str, Any]:
    workspace, request_id, attempt = event
    which = {"check": check, "workspace_id": workspace, "request_id": request_id, "attempt": attempt}
    return which | {"expected": _state(*states[:3]), "found": _state(*states[3:])}


def _state(status: int | None, tokens: list[int] | None, cost: Decimal | None) -> dict[str, Any] | None:
    if status is None:
        return None
    return {"status": EventStatus(status).label, "tokens": tokens, "cost": None if cost is None else exact_text(cost)}
