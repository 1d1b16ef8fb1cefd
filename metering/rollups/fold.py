"""Folds events into their hours and days: signed sums, upserted in key order inside the events' own transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from metering.ingest.arrivals import Arrival

NO_PRICE = 0


class Key(NamedTuple):
    """What one rollup row is about. `start` is its hour or its day; `price_id` 0 means none."""

    workspace_id: int
    start: datetime
    model_id: int
    key_id: int
    tier_id: int
    provider_id: int
    status: int
    price_id: int


# requests, input, cached input, cache write, output and reasoning tokens, and pico-dollars
Sums = list[int]

STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_rollup (
    workspace_id integer, start timestamptz, model_id integer, key_id integer, service_tier_id smallint, provider_id smallint,
    status smallint, price_id integer, requests bigint, input_tokens bigint, cached_input_tokens bigint,
    cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint, pico numeric
) ON COMMIT DELETE ROWS
"""
STAGED_TYPES = ("int4", "timestamptz", "int4", "int4", "int2", "int2", "int2", "int4", *("int8",) * 6, "numeric")

# In one order for every worker: two that add to the same rows wait, and never for each other.
UPSERT = """
INSERT INTO {table} AS standing (
    workspace_id, {grain}, model_id, key_id, service_tier_id, provider_id, status, price_id,
    requests, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost
)
SELECT workspace_id, date_trunc('{grain}', start, 'UTC'), model_id, key_id, service_tier_id, provider_id, status, price_id,
    sum(requests), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens),
    sum(reasoning_tokens), sum(pico) * 0.000000000001
FROM staged_rollup GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
ON CONFLICT (workspace_id, {grain}, model_id, key_id, service_tier_id, provider_id, status, price_id) DO UPDATE SET
    requests = standing.requests + EXCLUDED.requests,
    input_tokens = standing.input_tokens + EXCLUDED.input_tokens,
    cached_input_tokens = standing.cached_input_tokens + EXCLUDED.cached_input_tokens,
    cache_write_tokens = standing.cache_write_tokens + EXCLUDED.cache_write_tokens,
    output_tokens = standing.output_tokens + EXCLUDED.output_tokens,
    reasoning_tokens = standing.reasoning_tokens + EXCLUDED.reasoning_tokens,
    cost = standing.cost + EXCLUDED.cost
"""
HOURS = UPSERT.format(table="metering_hourlyrollup", grain="hour")
DAYS = UPSERT.format(table="metering_dailyrollup", grain="day")


def fold_events(recorded: Sequence[Arrival]) -> None:
    """Adds events that were just written. The database groups them: a dictionary of sums here costs more than rows there."""
    if recorded:
        _stage_and_add(map(_columns, recorded))


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


def add(sums: dict[Key, Sums], key: Key, amounts: Iterable[int]) -> None:
    """Adds one row's amounts to a key's sums; negative ones take back."""
    standing = sums.get(key)
    sums[key] = list(amounts) if standing is None else [a + b for a, b in zip(standing, amounts, strict=True)]


def apply(hours: dict[Key, Sums]) -> None:
    """Writes signed sums by hour, and the days they make."""
    if hours:
        _stage_and_add((*key, *amounts) for key, amounts in hours.items())


def _stage_and_add(rows: Iterable[tuple[int | datetime, ...]]) -> None:
    """Rows as the staging table has them, at any instant of their hours."""
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute(STAGE)
        cursor.execute("DELETE FROM staged_rollup")
        with cursor.copy("COPY staged_rollup FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(STAGED_TYPES)
            for row in rows:
                copy.write_row(row)
        cursor.execute(HOURS)
        cursor.execute(DAYS)
