"""Each event by itself, where sums could hide two errors in each other: its cost, and that a void took back what is voided."""

from typing import Any

from django.db import connection

from metering.ingest.models import EventStatus
from metering.money import exact_text
from metering.periods import Period

# Multiplied, because a quotient of PostgreSQL's keeps fewer places the larger it is.
WRONG = f"""
SELECT workspace.public_id, event.request_id, event.attempt, event.status, event.rated, event.cost
FROM (
    SELECT used.*,
           (input_tokens - cached_input_tokens - cache_write_tokens) * price.input_rate * 0.000001
           + cached_input_tokens * coalesce(price.cached_input_rate, price.input_rate) * 0.000001
           + cache_write_tokens * coalesce(price.cache_write_rate, price.input_rate) * 0.000001
           + output_tokens * price.output_rate * 0.000001 AS rated
    FROM metering_usageevent used LEFT JOIN metering_priceversion price ON price.id = used.price_id
    WHERE occurred_at >= %(start)s AND occurred_at < %(end)s
      AND (used.price_id IS NOT NULL OR used.status = {int(EventStatus.VOIDED)})
    OFFSET 0
) event JOIN workspaces_workspace workspace ON workspace.id = event.workspace_id
WHERE event.status < {int(EventStatus.VOIDED)} AND event.rated IS DISTINCT FROM event.cost
   OR event.status = {int(EventStatus.VOIDED)} AND NOT EXISTS (
        SELECT FROM metering_eventcorrection entry
        WHERE entry.workspace_id = event.workspace_id AND entry.request_id = event.request_id
          AND entry.attempt = event.attempt AND entry.action = 'void')
ORDER BY event.workspace_id, event.occurred_at, event.id LIMIT %(limit)s
"""  # noqa: S608  # constants of this module only


def event_differences(period: Period, limit: int = 100) -> list[dict[str, Any]]:
    """The first events of a month whose cost is not their tokens times their version's rates, or that nobody voided."""
    with connection.cursor() as cursor:
        cursor.execute(WRONG, {"start": period.start, "end": period.end, "limit": limit})
        return [_difference(*row) for row in cursor.fetchall()]


def _difference(workspace: str, request_id: str, attempt: int, status: int, rated: Any, cost: Any) -> dict[str, Any]:
    which = {"workspace_id": workspace, "request_id": request_id, "attempt": attempt}
    if status == EventStatus.VOIDED:
        return {"check": "voided_by_a_correction", **which, "expected": "a void", "found": "none"}
    expected = None if rated is None else exact_text(rated)
    return {"check": "event_costs_its_tokens_times_rates", **which, "expected": expected, "found": exact_text(cost)}
