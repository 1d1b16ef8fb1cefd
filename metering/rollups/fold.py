"""Folds events into their hours and days: signed sums, upserted in key order inside the events' own transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from metering.components import QUANTITIES
from metering.ingest.recording.arrivals import Arrival
from metering.rollups.margins import fold_margins
from metering.rollups.settled_usage import oldest_unsettled, unsettle

NO_PRICE = 0


class RollupKey(NamedTuple):
    """What one rollup row is about. `start` is its hour or its day; `price_id` 0 means none."""

    workspace_id: int
    start: datetime
    model_id: int
    key_id: int
    tier_id: int
    provider_id: int
    status: int
    price_id: int


# Of one row: requests, the quantities, and pico-dollars.
Sums = list[int]

STAGE = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS staged_rollup (
    workspace_id integer, start timestamptz, model_id integer, key_id integer, service_tier_id smallint, provider_id smallint,
    status smallint, price_id integer, requests bigint, {", ".join(f"{name} bigint" for name in QUANTITIES)}, pico numeric
) ON COMMIT DELETE ROWS
"""
COUNT_TYPES = ("int8",) * (1 + len(QUANTITIES))
STAGED_TYPES = ("int4", "timestamptz", "int4", "int4", "int2", "int2", "int2", "int4", *COUNT_TYPES, "numeric")

KEY = "model_id, key_id, service_tier_id, provider_id, status, price_id"
SUMS = ("requests", *QUANTITIES, "cost")

# UTC hours and days all have one length, and date_bin costs a third of what date_trunc with its zone does.
START = "date_bin('1 {grain}', {column}, '2000-01-01T00:00:00Z')"

# In one order for every worker: two that add to the same rows wait, and never for each other.
UPSERT = f"""
INSERT INTO {{table}} AS standing (workspace_id, {{grain}}, {KEY}, {", ".join(SUMS)})
SELECT workspace_id, {{start}}, {KEY}, {", ".join(f"sum({name})" for name in SUMS)}
FROM folded GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
ON CONFLICT (workspace_id, {{grain}}, {KEY}) DO UPDATE SET
    {", ".join(f"{name} = standing.{name} + EXCLUDED.{name}" for name in SUMS)}
"""  # noqa: S608 - constants
HOURS = UPSERT.format(table="metering_hourlyrollup", grain="hour", start="hour")
DAYS = UPSERT.format(table="metering_dailyrollup", grain="day", start=START.format(grain="day", column="hour"))

# The staged rows are read once: hours are made of them, and days of the hours.
ADD = f"""
WITH folded AS MATERIALIZED (
    SELECT workspace_id, {START.format(grain="hour", column="start")} AS hour, {KEY},
        {", ".join(f"sum({name}) AS {name}" for name in SUMS[:-1])}, sum(pico) * 0.000000000001 AS cost
    FROM staged_rollup GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
), hours AS ({HOURS})
{DAYS}
"""  # noqa: S608 - constants


def fold_events(recorded: Sequence[Arrival]) -> None:
    """Adds events that were just written. The database groups them: a dictionary of sums here costs more than rows there."""
    if recorded:
        _stage_and_add(map(_columns, recorded))
        fold_margins(recorded)


def _columns(arrival: Arrival) -> tuple[int | datetime, ...]:
    event = arrival.event
    return (
        arrival.workspace_id,
        event.occurred_at,
        arrival.model_id,
        arrival.key_id,
        arrival.tier_id,
        arrival.provider_id,
        event.status,
        arrival.price_id or NO_PRICE,
        1,
        *event.counts,
        arrival.cost or 0,
    )


def add(sums: dict[RollupKey, Sums], key: RollupKey, amounts: Iterable[int]) -> None:
    """Adds one row's amounts to a key's sums; negative ones take back."""
    standing = sums.get(key)
    sums[key] = list(amounts) if standing is None else [a + b for a, b in zip(standing, amounts, strict=True)]


def apply(hours: dict[RollupKey, Sums]) -> None:
    """Writes signed sums by hour, and the days they make."""
    if hours:
        _stage_and_add((*key, *amounts) for key, amounts in hours.items())


def _stage_and_add(rows: Iterable[tuple[int | datetime, ...]]) -> None:
    """Rows as the staging table has them, at any instant of their hours."""
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute(STAGE)
        cursor.execute("DELETE FROM staged_rollup")
        old, unsettled = [], oldest_unsettled()
        with cursor.copy("COPY staged_rollup FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(STAGED_TYPES)
            for row in rows:
                copy.write_row(row)
                if row[1] < unsettled:  # type: ignore[operator]
                    old.append((row[0], row[1]))
        cursor.execute(ADD)
    unsettle(old)  # type: ignore[arg-type]
