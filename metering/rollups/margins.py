"""What requests cost us beside what they cost customers: sums by day of those whose cost is known, and where it is.

Written in the events' own transaction, and only where providers have cards. Whatever a request of the rollups is not in
these sums has an unknown cost.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from metering.ingest.models import IS_BILLED
from metering.ingest.recording.arrivals import Arrival
from metering.money import from_pico
from metering.periods import Period, floor_day
from metering.pricing.provider_costs import route_of
from omixa_billing.instants import instant_text

KEY = "workspace_id, day, model_id, key_id, provider_id, route"
SUMS = ("requests", "unpriced_requests", "cost", "provider_cost")


class MarginKey(NamedTuple):
    """What one row is about."""

    workspace_id: int
    day: datetime
    model_id: int
    key_id: int
    provider_id: int
    route: str


# Of one row: requests, those of them without a price, and pico-dollars of our price and of the provider's.
MarginSums = list[int]

# In one order for every worker: two that add to the same rows wait, and never for each other.
UPSERT = f"""
INSERT INTO metering_dailymargin AS standing ({KEY}, {", ".join(SUMS)})
SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::int[], %s::int[], %s::smallint[], %s::text[],
                     %s::bigint[], %s::bigint[], %s::numeric[], %s::numeric[])
ORDER BY 1, 2, 3, 4, 5, 6
ON CONFLICT ({KEY}) DO UPDATE SET {", ".join(f"{name} = standing.{name} + EXCLUDED.{name}" for name in SUMS)}
"""  # noqa: S608 - constants
TIDY = f"""
DELETE FROM metering_dailymargin
WHERE requests = 0 AND ({KEY}) IN (SELECT * FROM unnest(
    %s::int[], %s::timestamptz[], %s::int[], %s::int[], %s::smallint[], %s::text[]))
"""  # noqa: S608 - constants

FROM_EVENTS = f"""
SELECT workspace_id, date_trunc('day', occurred_at, 'UTC') AS day, model_id, key_id, provider_id,
    coalesce(detail::json ->> 'route', '') AS route, count(*) AS requests,
    count(*) FILTER (WHERE cost IS NULL) AS unpriced_requests, coalesce(sum(cost), 0) AS cost,
    sum(provider_cost) AS provider_cost
FROM metering_usageevent
WHERE occurred_at >= %(start)s AND occurred_at < %(end)s AND {IS_BILLED} AND provider_cost IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - constants
DIFFERENT = f"""
SELECT workspace.public_id, day, coalesce(events.requests, 0), coalesce(margin.requests, 0),
    coalesce(events.provider_cost, 0), coalesce(margin.provider_cost, 0)
FROM ({FROM_EVENTS}) events
FULL JOIN (SELECT * FROM metering_dailymargin WHERE day >= %(start)s AND day < %(end)s) margin USING ({KEY})
LEFT JOIN workspaces_workspace workspace ON workspace.id = workspace_id
WHERE ({", ".join(f"events.{name}" for name in SUMS)}) IS DISTINCT FROM ({", ".join(f"margin.{name}" for name in SUMS)})
ORDER BY day, workspace_id
"""  # noqa: S608 - constants
REBUILD = f"INSERT INTO metering_dailymargin ({KEY}, {', '.join(SUMS)}) {FROM_EVENTS}"


def fold_margins(recorded: Iterable[Arrival]) -> None:
    """Adds events that were just written with a known cost."""
    sums: dict[MarginKey, MarginSums] = {}
    for arrival in recorded:
        if arrival.provider_cost is not None:
            event = arrival.event
            key = MarginKey(
                arrival.workspace_id,
                floor_day(event.occurred_at),
                arrival.model_id,
                arrival.key_id,
                arrival.provider_id,
                route_of(event.detail),
            )
            add_margin(sums, key, arrival.cost, arrival.provider_cost)
    apply_margins(sums)


def add_margin(sums: dict[MarginKey, MarginSums], key: MarginKey, cost: int | None, provider_cost: int, sign: int = 1) -> None:
    """One request's pico-dollars; a `sign` of -1 takes it back."""
    standing = sums.setdefault(key, [0, 0, 0, 0])
    for at, amount in enumerate((1, int(cost is None), cost or 0, provider_cost)):
        standing[at] += sign * amount


def apply_margins(sums: dict[MarginKey, MarginSums]) -> None:
    """Writes signed sums, and takes out rows that nothing is left of."""
    moved = sorted((key, amounts) for key, amounts in sums.items() if any(amounts))
    if not moved:
        return
    rows = [(*key, *amounts[:2], *map(from_pico, amounts[2:])) for key, amounts in moved]
    emptied = [key for key, amounts in moved if amounts[0] < 0]
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, _columns(rows))
        if emptied:
            cursor.execute(TIDY, _columns(emptied))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [*map(list, zip(*rows, strict=True))]


def margin_differences(period: Period) -> list[dict[str, Any]]:
    """Where a month's sums are not those of its events."""
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENT, {"start": period.start, "end": period.end})
        return [
            {
                "check": "provider_costs_by_day_are_those_of_events",
                "workspace_id": workspace,
                "start": instant_text(day),
                "expected": {"requests": expected, "provider_cost": f"{cost:.12f}"},
                "found": {"requests": found, "provider_cost": f"{summed:.12f}"},
            }
            for workspace, day, expected, found, cost, summed in cursor.fetchall()
        ]


def rebuild_margins(period: Period) -> int:
    """Replaces a month's sums by what its events say; how many were wrong. Within the caller's transaction and lock."""
    bounds = {"start": period.start, "end": period.end}
    wrong = len(margin_differences(period))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM metering_dailymargin WHERE day >= %(start)s AND day < %(end)s", bounds)
        cursor.execute(REBUILD, bounds)
    return wrong
