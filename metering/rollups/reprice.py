"""Prices the events that waited for a price which now exists, and moves their rollups in the same transaction.

Runs by itself whenever a price is set and at every sweep. What is priced keeps its price; what no price covers still waits.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from metering.money import from_pico
from metering.periods import floor_hour
from metering.pricing.current import current_rates
from metering.pricing.rates import RateTable, event_cost
from metering.rollups.fold import NO_PRICE, Key, Sums, add, apply

EVENTS_PER_TRANSACTION = 5_000
BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), 0)

# From the rollups' partial index: the few things that have anything waiting.
WAITING = """
SELECT DISTINCT workspace_id, model_id, service_tier_id, tier.name
FROM metering_hourlyrollup JOIN metering_servicetier tier ON tier.id = service_tier_id
WHERE price_id = 0 AND status < 2
ORDER BY workspace_id, model_id, service_tier_id
"""

TAKE = """
SELECT id, occurred_at, key_id, provider_id, status, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
       reasoning_tokens
FROM metering_usageevent
WHERE workspace_id = %s AND model_id = %s AND service_tier_id = %s AND cost IS NULL AND (occurred_at, id) > (%s, %s)
ORDER BY occurred_at, id LIMIT %s FOR UPDATE SKIP LOCKED
"""

SETTLE = """
UPDATE metering_usageevent event SET price_id = priced.price_id, cost = priced.cost
FROM unnest(%s::timestamptz[], %s::bigint[], %s::int[], %s::numeric[]) AS priced (occurred_at, id, price_id, cost)
WHERE event.workspace_id = %s AND event.occurred_at = priced.occurred_at AND event.id = priced.id
"""

# Rows that everything has moved out of; a rebuilt rollup would not have them.
TIDY = """
DELETE FROM {table} USING unnest(%s::timestamptz[]) AS moved (start)
WHERE workspace_id = %s AND {start} = moved.start AND model_id = %s AND service_tier_id = %s AND price_id = 0 AND requests = 0
"""


class Waiting(NamedTuple):
    """What waits together: events of one workspace, model and tier."""

    workspace_id: int
    model_id: int
    tier_id: int
    tier: str


class WaitingEvent(NamedTuple):
    id: int
    occurred_at: datetime
    key_id: int
    provider_id: int
    status: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int


class Priced(NamedTuple):
    event: WaitingEvent
    price_id: int
    cost: int  # pico-dollars


def price_waiting() -> int:
    """Prices every waiting event that a price covers, and returns how many. Safe to run twice at once."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        waiting = [Waiting(*row) for row in cursor.fetchall()]
    return sum(_price_all(each) for each in waiting)


def _price_all(waiting: Waiting) -> int:
    priced, after = 0, BEGINNING
    while True:
        count, last = _price_some(waiting, after)
        priced += count
        if last is None:
            return priced
        after = last


def _price_some(waiting: Waiting, after: tuple[datetime, int]) -> tuple[int, tuple[datetime, int] | None]:
    """One transaction's worth: how many it priced, and where to go on; None at the end."""
    with transaction.atomic():
        rates = current_rates()
        with connection.cursor() as cursor:
            cursor.execute(TAKE, [*waiting[:3], *after, EVENTS_PER_TRANSACTION])
            events = [WaitingEvent(*row) for row in cursor.fetchall()]
        priced = [found for event in events if (found := _price(event, waiting, rates)) is not None]
        if priced:
            _settle(priced, waiting)
    last = (events[-1].occurred_at, events[-1].id) if len(events) == EVENTS_PER_TRANSACTION else None
    return len(priced), last


def _price(event: WaitingEvent, waiting: Waiting, rates: RateTable) -> Priced | None:
    found = rates.find(waiting.model_id, waiting.tier, waiting.workspace_id, event.occurred_at, event.input_tokens)
    if found is None:
        return None
    counts = (event.input_tokens, event.cached_input_tokens, event.cache_write_tokens, event.output_tokens)
    return Priced(event, found.price_id, event_cost(found, *counts))


def _settle(priced: list[Priced], waiting: Waiting) -> None:
    columns: list[list[Any]] = [
        [each.event.occurred_at for each in priced],
        [each.event.id for each in priced],
        [each.price_id for each in priced],
        [from_pico(each.cost) for each in priced],
    ]
    sums: dict[Key, Sums] = {}
    for each in priced:
        amounts = (1, *each.event[5:], each.cost)
        key = _key(each.event, waiting)
        add(sums, key, [-amount for amount in amounts[:-1]] + [0])
        add(sums, key._replace(price_id=each.price_id), amounts)
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, [*columns, waiting.workspace_id])
    apply(sums)
    _tidy(sums, waiting)


def _key(event: WaitingEvent, waiting: Waiting) -> Key:
    return Key(
        waiting.workspace_id,
        floor_hour(event.occurred_at),
        waiting.model_id,
        event.key_id,
        waiting.tier_id,
        event.provider_id,
        event.status,
        NO_PRICE,
    )


def _tidy(sums: dict[Key, Sums], waiting: Waiting) -> None:
    hours = sorted({key.start for key in sums})
    days = sorted({hour.replace(hour=0) for hour in hours})
    with connection.cursor() as cursor:
        for table, start, moved in (("metering_hourlyrollup", "hour", hours), ("metering_dailyrollup", "day", days)):
            cursor.execute(TIDY.format(table=table, start=start), [moved, *waiting[:3]])
