"""Events against rollups, to the last digit: what each row of a rollup should be, and where it is not."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from metering.components import QUANTITIES
from metering.ingest.models import IS_COUNTED
from metering.money import exact_text
from metering.periods import Period, month_of
from metering.rollups.fold import SUMS
from omixa_billing.instants import instant_text

GRAINS = {"hour": "metering_hourlyrollup", "day": "metering_dailyrollup"}
KEY = "workspace_id, start, model_id, key_id, service_tier_id, provider_id, status, price_id"

FROM_EVENTS = f"""
SELECT workspace_id, date_trunc('{{grain}}', occurred_at, 'UTC') AS start, model_id, key_id, service_tier_id, provider_id,
    status, coalesce(price_id, 0) AS price_id, count(*) AS requests,
    {", ".join(f"sum({name}::bigint) AS {name}" for name in QUANTITIES)},
    coalesce(sum(cost), 0) AS cost
FROM metering_usageevent WHERE occurred_at >= %s AND occurred_at < %s AND {IS_COUNTED}
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""  # noqa: S608

QUANTITY_TABLES = {"hour": "metering_hourlyquantity", "day": "metering_dailyquantity"}
QUANTITIES_FROM_EVENTS = f"""
SELECT workspace_id, date_trunc('{{grain}}', occurred_at, 'UTC') AS start, model_id, key_id, service_tier_id, provider_id,
    status, coalesce(price_id, 0) AS price_id, used.key AS component, sum(used.value::bigint)::bigint AS quantity
FROM metering_usageevent CROSS JOIN jsonb_each_text(others) AS used
WHERE others IS NOT NULL AND occurred_at >= %s AND occurred_at < %s AND {IS_COUNTED}
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""  # noqa: S608
DIFFERENT_QUANTITIES = """
SELECT count(*) OVER (), workspace.public_id, start, component, events.quantity, rollup.quantity
FROM ({from_events}) events
FULL JOIN (SELECT {grain} AS start, * FROM {table} WHERE {grain} >= %s AND {grain} < %s) rollup USING ({key}, component)
LEFT JOIN workspaces_workspace workspace ON workspace.id = workspace_id
WHERE events.quantity IS DISTINCT FROM rollup.quantity
ORDER BY start, workspace_id, component LIMIT %s
"""

DIFFERENT = """
SELECT count(*) OVER (), workspace.public_id, start, events.requests, rollup.requests, events.cost, rollup.cost
FROM ({from_events}) events
FULL JOIN (SELECT {grain} AS start, * FROM {table} WHERE {grain} >= %s AND {grain} < %s) rollup USING ({key})
LEFT JOIN workspaces_workspace workspace ON workspace.id = workspace_id
WHERE ({sums_of_events}) IS DISTINCT FROM ({sums_of_rollup})
ORDER BY start, workspace_id LIMIT %s
"""

TOTALS = "SELECT {sums} FROM {source}"


@dataclass(frozen=True)
class Differences:
    """How many rollup rows of a month are wrong, missing or too many, and the first of them for a person to look at."""

    count: int
    first: list[dict[str, Any]]


def rollup_differences(grain: str, period: Period, limit: int = 100) -> Differences:
    """Compares one grain ("hour" or "day") of a month with the month's events, in one pass over them."""
    bounds = [period.start, period.end]
    statement = DIFFERENT.format(
        from_events=FROM_EVENTS.format(grain=grain),
        grain=grain,
        table=GRAINS[grain],
        key=KEY,
        sums_of_events=", ".join(f"events.{name}" for name in SUMS),
        sums_of_rollup=", ".join(f"rollup.{name}" for name in SUMS),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*bounds, *bounds, limit])
        rows = cursor.fetchall()
    shown = [
        {
            "check": f"rollup_by_{grain}_is_its_events",
            "workspace_id": workspace,
            "start": instant_text(start),
            "expected": {"requests": event_requests or 0, "cost": exact_text(event_cost or Decimal(0))},
            "found": {"requests": rollup_requests or 0, "cost": exact_text(rollup_cost or Decimal(0))},
        }
        for _, workspace, start, event_requests, rollup_requests, event_cost, rollup_cost in rows
    ]
    return Differences(rows[0][0] if rows else 0, shown)


def quantity_differences(grain: str, period: Period, limit: int = 100) -> Differences:
    """The same of other components."""
    bounds = [period.start, period.end]
    statement = DIFFERENT_QUANTITIES.format(
        from_events=QUANTITIES_FROM_EVENTS.format(grain=grain), grain=grain, table=QUANTITY_TABLES[grain], key=KEY
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*bounds, *bounds, limit])
        rows = cursor.fetchall()
    shown = [
        {
            "check": f"other_components_by_{grain}_are_those_of_events",
            "workspace_id": workspace,
            "start": instant_text(start),
            "expected": {component: int(expected or 0)},
            "found": {component: int(found or 0)},
        }
        for _, workspace, start, component, expected, found in rows
    ]
    return Differences(rows[0][0] if rows else 0, shown)


def event_totals(period: Period) -> dict[str, Any]:
    """A month's sums, read from the events."""
    return _totals(f"({FROM_EVENTS.format(grain='month')}) events", period)


def rollup_totals(period: Period) -> dict[str, Any]:
    """A month's sums, read from the daily rollup."""
    return _totals("(SELECT * FROM metering_dailyrollup WHERE day >= %s AND day < %s) rollup", period)


def _totals(source: str, period: Period) -> dict[str, Any]:
    with connection.cursor() as cursor:
        sums = ", ".join(f"coalesce(sum({name}), 0)" for name in SUMS)
        cursor.execute(TOTALS.format(sums=sums, source=source), [period.start, period.end])
        *counts, cost = cursor.fetchone()
    return {**dict(zip(SUMS, map(int, counts), strict=False)), "cost": cost}


def months_with_usage() -> list[Period]:
    """Every month from the first event or rollup to the last, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least(event.first, rollup.first), greatest(event.last, rollup.last) FROM "
            "(SELECT min(occurred_at) AS first, max(occurred_at) AS last FROM metering_usageevent) event, "
            "(SELECT min(day) AS first, max(day) AS last FROM metering_dailyrollup) rollup"
        )
        first, last = cursor.fetchone()
    return [] if first is None else _months(first, last)


def _months(first: datetime, last: datetime) -> list[Period]:
    months = [month_of(first)]
    while months[-1].end <= last:
        months.append(month_of(months[-1].end))
    return months
