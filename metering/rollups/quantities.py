"""Folds what events used of other components into their hours and days, beside their rollups and in the same transaction.

Hardly any event uses some, so these rows are few: what is plain text has none, and costs nothing here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from metering.ingest.recording.arrivals import Arrival
from metering.periods import floor_day, floor_hour
from metering.rollups.fold import KEY, NO_PRICE, RollupKey
from metering.rollups.settled_usage import oldest_unsettled, unsettle

TABLES = {"hour": "metering_hourlyquantity", "day": "metering_dailyquantity"}
OF = f"unnest(%s::int[], %s::timestamptz[], {'%s::int[], ' * 2}{'%s::smallint[], ' * 3}%s::int[], %s::text[], %s::bigint[])"
AS = "(workspace_id, start, model_id, key_id, service_tier_id, provider_id, status, price_id, component, quantity)"

# In one order for every worker, as the rollups are written.
ADD = f"""
INSERT INTO {{table}} AS standing (workspace_id, {{grain}}, {KEY}, component, quantity)
SELECT workspace_id, start, {KEY}, component, quantity FROM {OF} AS used {AS}
ORDER BY workspace_id, start, {KEY}, component COLLATE "C"
ON CONFLICT (workspace_id, {{grain}}, {KEY}, component) DO UPDATE SET quantity = standing.quantity + EXCLUDED.quantity
"""  # noqa: S608  # constants

# Rows that everything has moved out of; rebuilt sums would not have them. They are locked by then: ADD wrote them.
TIDY = f"""
DELETE FROM {{table}} standing USING {OF} AS emptied {AS}
WHERE standing.workspace_id = emptied.workspace_id AND standing.{{grain}} = emptied.start
  AND {" AND ".join(f"standing.{name} = emptied.{name}" for name in (*KEY.split(", "), "component"))}
  AND standing.quantity = 0
"""  # noqa: S608  # constants


class QuantityKey(NamedTuple):
    """A row of a rollup, and a component."""

    rollup: RollupKey
    component: str


Quantities = Mapping[QuantityKey, int]


def fold_others(recorded: Iterable[Arrival]) -> None:
    """Adds what events that were just written used of other components."""
    having = [arrival for arrival in recorded if arrival.event.others]
    if not having:
        return
    hours: dict[QuantityKey, int] = defaultdict(int)
    for arrival in having:
        rollup = _rollup_key(arrival)
        for component, quantity in arrival.event.others:
            hours[QuantityKey(rollup, component)] += quantity
    apply_quantities(hours)


def _rollup_key(arrival: Arrival) -> RollupKey:
    event = arrival.event
    return RollupKey(
        arrival.workspace_id,
        floor_hour(event.occurred_at),
        arrival.model_id,
        arrival.key_id,
        arrival.tier_id,
        arrival.provider_id,
        event.status,
        arrival.price_id or NO_PRICE,
    )


def apply_quantities(hours: Quantities) -> None:
    """Writes signed sums by hour, and the days they make."""
    hours = {key: quantity for key, quantity in hours.items() if quantity}
    if not hours:
        return
    for grain, sums in (("hour", hours), ("day", _by_day(hours))):
        _write(ADD, grain, [(*key.rollup, key.component, quantity) for key, quantity in sums.items()])
        _write(TIDY, grain, [(*key.rollup, key.component, 0) for key, quantity in sums.items() if quantity < 0])
    since = oldest_unsettled()
    unsettle((key.rollup.workspace_id, key.rollup.start) for key in hours if key.rollup.start < since)


def _by_day(hours: Quantities) -> Quantities:
    days: dict[QuantityKey, int] = defaultdict(int)
    for key, quantity in hours.items():
        days[QuantityKey(key.rollup._replace(start=floor_day(key.rollup.start)), key.component)] += quantity
    return {key: quantity for key, quantity in days.items() if quantity}


def _write(statement: str, grain: str, rows: Sequence[tuple[int | str | datetime, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement.format(table=TABLES[grain], grain=grain), [*map(list, zip(*rows, strict=True))])
