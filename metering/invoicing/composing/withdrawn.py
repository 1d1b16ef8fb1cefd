"""What corrections and re-ratings withdrew after it was billed: why a finalized invoice may bill more than was used.

Until the next invoice credits it, such a month is billed beyond its usage and nothing is wrong. The trail tells how much: by
no more than what it took from the same item since the invoice was finalized.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from metering.components import COMPONENTS, billed_sql

# An entry carries the clock of its transaction's beginning, so one committed after an invoice may look a little older.
MARGIN = timedelta(minutes=10)

# Read from the newest entry back: at some moment since then this much more stood than stands now.
WITHDRAWN = f"""
WITH over AS (
    SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
        AS over (workspace_id, month, model_id, service_tier, price, component, since)
), moved AS (
    SELECT over.workspace_id, over.month, over.model_id, over.service_tier, over.price, over.component, entry.id,
           side.sign * CASE over.component
               {" ".join(f"WHEN '{each.name}' THEN {billed_sql(each, 'side.tokens[{at}]')}" for each in COMPONENTS)}
           END::bigint AS tokens
    FROM over
    JOIN metering_priceversion price ON price.public_id = over.price
    JOIN metering_eventcorrection entry ON entry.workspace_id = over.workspace_id AND entry.occurred_at >= over.month
        AND entry.occurred_at < over.month + interval '1 month' AND entry.recorded_at >= over.since
    CROSS JOIN LATERAL (VALUES (entry.before_price_id, entry.before_tokens, 1), (entry.after_price_id, entry.after_tokens, -1))
        AS side (price_id, tokens, sign)
    JOIN metering_usageevent event ON event.workspace_id = entry.workspace_id AND event.occurred_at = entry.occurred_at
        AND event.id = entry.event_id AND event.model_id = over.model_id
    JOIN metering_servicetier tier ON tier.id = event.service_tier_id AND tier.name = over.service_tier
    WHERE side.price_id = price.id
), since AS (
    SELECT *, sum(tokens) OVER (PARTITION BY workspace_id, month, model_id, service_tier, price, component ORDER BY id DESC)
        AS withdrawn
    FROM moved
)
SELECT workspace_id, month, model_id, service_tier, price, component, max(withdrawn) FROM since GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608  # constants

BilledItem = tuple[Any, ...]  # workspace, month, model, tier, price, component


def withdrawn_tokens(billed: Iterable[tuple[BilledItem, datetime]]) -> dict[BilledItem, int]:
    """Tokens that stood at some time since the items were last billed, beyond those that stand now; only above zero."""
    rows = [(*item, since - MARGIN) for item, since in billed]
    if not rows:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(WITHDRAWN, [*map(list, zip(*rows, strict=True))])
        return {tuple(item): int(withdrawn) for *item, withdrawn in cursor.fetchall() if withdrawn > 0}
