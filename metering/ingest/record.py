"""Claims identities and writes events, set by set: the part of the worker's transaction that touches every event.

Lock order, the same for every worker: the prices lock, the batches, new names, identities in sorted order, rollups in sorted
order, keys in sorted order. Two workers with the same events wait for each other in one direction only.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from metering.ingest.directory import directory
from metering.ingest.events import Event, request_hash
from metering.ingest.models import EventStatus
from metering.money import from_pico
from metering.pricing.rates import Rates, RateTable, event_cost

STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_identity (
    position integer, workspace_id integer, attempt integer, occurred_at timestamptz, request_hash uuid, fingerprint uuid
) ON COMMIT DELETE ROWS
"""
STAGED_TYPES = ("int4", "int4", "int4", "timestamptz", "uuid", "uuid")

CLAIM = """
WITH claimed AS (
    INSERT INTO metering_eventidentity (workspace_id, request_hash, attempt, occurred_at, fingerprint)
    SELECT workspace_id, request_hash, attempt, occurred_at, fingerprint FROM staged_identity
    ORDER BY workspace_id, request_hash, attempt
    ON CONFLICT DO NOTHING
    RETURNING workspace_id, request_hash, attempt
)
SELECT position FROM staged_identity LEFT JOIN claimed USING (workspace_id, request_hash, attempt)
WHERE claimed.workspace_id IS NULL
"""

# A statement of its own, because only a new snapshot sees what another worker committed during the claim.
COMPARE = """
SELECT position, standing.fingerprint
FROM staged_identity staged JOIN metering_eventidentity standing USING (workspace_id, request_hash, attempt)
WHERE position = ANY(%s)
"""

WRITE = """
COPY metering_usageevent (
    occurred_at, recorded_at, batch_id, workspace_id, key_id, model_id, price_id, attempt, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, latency_ms, time_to_first_token_ms,
    service_tier_id, provider_id, status, usage_source, stream, cost, request_id, detail
) FROM STDIN (FORMAT BINARY)
"""
WRITTEN_TYPES = (
    *("timestamptz", "timestamptz", "int8"),
    *("int4",) * 12,
    *("int2",) * 4,
    *("bool", "numeric", "text", "text"),
)


class Arrival(NamedTuple):
    """An event with its numbers, ready to be claimed."""

    event: Event
    batch_id: int
    workspace_id: int
    key_id: int
    model_id: int
    tier_id: int
    provider_id: int

    @property
    def identity(self) -> tuple[int, str, int]:
        return self.workspace_id, self.event.request_id, self.event.attempt


class Recorded(NamedTuple):
    """An event that was written, with its price and its cost in pico-dollars; both None while unpriced."""

    arrival: Arrival
    price_id: int | None
    cost: int | None

    @property
    def is_unpriced(self) -> bool:
        return self.cost is None


class Outcome(NamedTuple):
    """What became of a set of arrivals; together they are all of it."""

    recorded: list[Recorded]
    duplicates: list[Arrival]
    conflicts: list[Arrival]


# Whatever else belongs in the transaction that writes events: the rollups.
Fold = Callable[[list[Recorded]], None]


def number(events: Iterable[tuple[int, Event]]) -> list[Arrival]:
    """(batch id, event) pairs with the numbers of everything they name. New names are added."""
    events = list(events)
    keys = directory.find_keys({event.key_id for _, event in events})
    models = directory.number_models({event.model for _, event in events})
    tiers = directory.number_tiers({event.service_tier for _, event in events})
    providers = directory.number_providers({event.provider for _, event in events})
    directory.ensure_months({(event.occurred_at.year, event.occurred_at.month) for _, event in events})
    return [
        Arrival(
            event,
            batch_id,
            keys[event.key_id].workspace_id,
            keys[event.key_id].key_id,
            models[event.model],
            tiers[event.service_tier],
            providers[event.provider],
        )
        for batch_id, event in events
    ]


def record(arrivals: list[Arrival], rates: RateTable, now: datetime) -> Outcome:
    """Counts each event once, and writes it with its price. Must be called inside a transaction."""
    claimed, duplicates, conflicts = claim(arrivals)
    recorded = [rated(arrival, rates) for arrival in claimed]
    write(recorded, now)
    return Outcome(recorded, duplicates, conflicts)


def rated(arrival: Arrival, rates: RateTable) -> Recorded:
    """The arrival with its price; a failed response is recorded and not billed."""
    event, counts = arrival.event, arrival.event.counts
    if event.status == EventStatus.FAILED:
        return Recorded(arrival, None, 0)
    found: Rates | None = rates.find(
        arrival.model_id, event.service_tier, arrival.workspace_id, event.occurred_at, counts.input
    )
    if found is None:
        return Recorded(arrival, None, None)
    cost = event_cost(found, counts.input, counts.cached_input, counts.cache_write, counts.output)
    return Recorded(arrival, found.price_id, cost)


def claim(arrivals: list[Arrival]) -> tuple[list[Arrival], list[Arrival], list[Arrival]]:
    """Those that are the first under their identity, then the duplicates, then the conflicts."""
    named: dict[tuple[int, str, int], list[tuple[Arrival, UUID]]] = {}
    for arrival in arrivals:
        named.setdefault(arrival.identity, []).append((arrival, arrival.event.fingerprint()))
    contenders = list(named.values())
    standing = _claim_staged([contender[0] for contender in contenders])
    claimed: list[Arrival] = []
    duplicates: list[Arrival] = []
    conflicts: list[Arrival] = []
    for position, contender in enumerate(contenders):
        first, fingerprint = contender[0]
        if position in standing:
            fingerprint = standing[position]
            others = contender
        else:
            claimed.append(first)
            others = contender[1:]
        for arrival, content in others:
            (duplicates if content == fingerprint else conflicts).append(arrival)
    return claimed, duplicates, conflicts


def _claim_staged(staged: list[tuple[Arrival, UUID]]) -> dict[int, UUID]:
    """The positions whose identity was taken before, each with the fingerprint of the event that stands there."""
    if not staged:
        return {}
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute(STAGE)
        cursor.execute("DELETE FROM staged_identity")
        with cursor.copy("COPY staged_identity FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(STAGED_TYPES)
            for position, (arrival, fingerprint) in enumerate(staged):
                event = arrival.event
                copy.write_row(
                    (
                        position,
                        arrival.workspace_id,
                        event.attempt,
                        event.occurred_at,
                        request_hash(event.request_id),
                        fingerprint,
                    )
                )
        cursor.execute(CLAIM)
        lost = [position for (position,) in cursor.fetchall()]
        if not lost:
            return {}
        cursor.execute(COMPARE, [lost])
        return dict(cursor.fetchall())


def write(recorded: list[Recorded], now: datetime) -> None:
    """Copies events into their partitions."""
    if not recorded:
        return
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(WRITE) as copy:
        copy.set_types(WRITTEN_TYPES)
        for row in recorded:
            copy.write_row(_columns(row, now))


def _columns(row: Recorded, now: datetime) -> tuple[object, ...]:
    arrival = row.arrival
    event = arrival.event
    return (
        event.occurred_at,
        now,
        arrival.batch_id,
        arrival.workspace_id,
        arrival.key_id,
        arrival.model_id,
        row.price_id,
        event.attempt,
        *event.counts,
        event.latency_ms,
        event.time_to_first_token_ms,
        arrival.tier_id,
        arrival.provider_id,
        event.status,
        event.usage_source,
        event.stream,
        None if row.cost is None else from_pico(row.cost),
        event.request_id,
        event.detail,
    )
