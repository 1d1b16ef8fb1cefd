"""Recorded events as they lie in their table, locked in one order, and what may change of them.

Lock order for changing recorded events: the prices lock (shared), the corrections lock or the re-rating's row, the
batches, waiting corrections in the quarantine, events by (workspace, time, id), rollups in sorted order. Workers that record
take the first, the batches and the rollups in the same order and no event's row, so none of them waits in a circle.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from metering.components import NO_OTHERS, NOTHING, QUANTITIES, Counts, OtherCounts, stored_others
from metering.ingest.models import EventStatus
from metering.money import PICO_PLACES, WIDE
from metering.pricing.rates import RateTable, event_cost

# In the order of Stored, then of State.
COLUMNS = f"""event.workspace_id, event.occurred_at, event.id, event.request_id, event.attempt, event.key_id, event.model_id,
       event.provider_id, event.gateway_id, event.batch_id, event.service_tier_id, tier.name, event.status,
       event.usage_source, {", ".join(f"event.{name}" for name in QUANTITIES)}, event.price_id, event.cost, event.others"""
PLAIN_COLUMNS = 10

# Few rows are looked up by key among very many; a stale estimate must never make a plan read whole months instead.
BY_KEY = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"


class EventState(NamedTuple):
    """All that a correction or a re-rating may change. `cost` in pico-dollars; it and the price are None while unpriced."""

    tier_id: int
    tier: str
    status: int
    usage_source: int
    counts: Counts
    price_id: int | None
    cost: int | None
    others: OtherCounts = NO_OTHERS


class Stored(NamedTuple):
    """A recorded event, and its state at the moment it was read."""

    workspace_id: int
    occurred_at: datetime
    id: int
    request_id: str
    attempt: int
    key_id: int
    model_id: int
    provider_id: int
    gateway_id: int | None  # null on events from before it was kept
    batch_id: int
    state: EventState

    @property
    def identity(self) -> tuple[int, str, int]:
        return self.workspace_id, self.request_id, self.attempt


def read(rows: Iterable[tuple[Any, ...]]) -> list[Stored]:
    """Rows of COLUMNS."""
    return [Stored._make((*row[:PLAIN_COLUMNS], _state(row[PLAIN_COLUMNS:]))) for row in rows]


def _state(columns: tuple[Any, ...]) -> EventState:
    tier_id, tier, status, source, *counts, price_id, cost, others = columns
    return EventState(tier_id, tier, status, source, Counts(*counts), price_id, to_pico(cost), stored_others(others))


def to_pico(cost: Decimal | None) -> int | None:
    """USD as pico-dollars; a cost has twelve places, so this is exact."""
    return None if cost is None else int(cost.scaleb(PICO_PLACES, WIDE))


def look_up_by_key() -> None:
    """For the rest of the transaction: see BY_KEY."""
    with connection.cursor() as cursor:
        cursor.execute(BY_KEY)


def rated(event: Stored, state: EventState, rates: RateTable) -> EventState:
    """The state rated at the event's own time by the prices as they are now.

    A failed response costs nothing, and a voided one is none. Where no price is found it is unpriced.
    """
    if state.status >= EventStatus.FAILED:
        return state._replace(price_id=None, cost=0)
    found = rates.find(event.model_id, state.tier, event.workspace_id, event.occurred_at, state.counts.input)
    if found is None:
        return state._replace(price_id=None, cost=None)
    cost = event_cost(found, state.counts, state.others)
    return state._replace(price_id=None if cost is None else found.price_id, cost=cost)


def voided(state: EventState) -> EventState:
    """Nothing is left of it but who counted it."""
    return EventState(state.tier_id, state.tier, EventStatus.VOIDED, state.usage_source, NOTHING, None, 0)
