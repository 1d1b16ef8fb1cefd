"""What changed an event since it was recorded: a trail that is only ever appended to."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from metering.ingest.models import EventCorrection
from metering.money import from_pico
from metering.revisions.stored_events import EventState, Stored

APPEND = """
COPY metering_eventcorrection (
    workspace_id, request_id, attempt, occurred_at, event_id, action, reason, actor, recorded_at, batch_id, index, fingerprint,
    rerating_id, took_effect, before_status, before_source, before_tokens, before_price_id, before_cost, after_status,
    after_source, after_tokens, after_price_id, after_cost, before_others, after_others, before_tier_id, after_tier_id
) FROM STDIN
"""

STANDING = """
SELECT workspace_id, request_id, attempt, action, fingerprint, batch_id, index, tier.name, after_tier_id IS NULL,
    took_effect
FROM unnest(%s::int[], %s::text[], %s::int[]) AS event (workspace_id, request_id, attempt)
JOIN metering_eventcorrection correction USING (workspace_id, request_id, attempt)
LEFT JOIN metering_servicetier tier ON tier.id = correction.before_tier_id
WHERE action <> 'rerate'
ORDER BY correction.id
"""

Rank = tuple[int, int]  # batch and position: the order in which corrections were sent
PlaceInOrder = tuple[int, int | None]  # the same as the trail has it: no position of what was read again
NEVER: Rank = (-1, -1)


class Entry(NamedTuple):
    """A row to append. Of a re-rating `rank` and `fingerprint` are None, of a correction `rerating_id`."""

    event: Stored
    action: str
    reason: str
    actor: str
    before: EventState
    after: EventState
    took_effect: bool = True
    rank: PlaceInOrder | None = None
    fingerprint: UUID | None = None
    rerating_id: int | None = None


class CorrectionsSoFar:
    """The corrections of one event so far, as far as they decide what another one does."""

    def __init__(self, tier: str) -> None:
        self.tier = tier  # as which the event was recorded
        self.fingerprints: set[UUID] = set()
        self.before_tiers: set[UUID] = set()  # of corrections that were recorded before the trail had tiers
        self.voided = False
        self.replaced = NEVER
        self.reread = -1  # the last batch of what was read again

    def note(self, action: str, fingerprint: UUID, place: PlaceInOrder | None) -> None:
        """`place` is None of what changed nothing, so that it stands in nobody's way."""
        self.fingerprints.add(fingerprint)
        if action == EventCorrection.Action.VOID:
            self.voided = True
        elif place is not None:
            batch_id, index = place
            if index is None:
                self.reread = max(self.reread, batch_id)
            else:
                self.replaced = max(self.replaced, (batch_id, index))


def corrections_so_far(events: Sequence[Stored]) -> dict[tuple[int, str, int], CorrectionsSoFar]:
    """By identity, for every one of the events, whose rows the caller holds."""
    found = {event.identity: CorrectionsSoFar(event.state.tier) for event in events}
    if not found:
        return found
    seen = set()  # older corrections say no tier: none of them changed it
    with connection.cursor() as cursor:
        cursor.execute(STANDING, [*map(list, zip(*found, strict=True))])
        for *identity, action, fingerprint, batch_id, index, tier_before, before_tiers, took_effect in cursor.fetchall():
            so_far = found[tuple(identity)]
            if tier_before is not None and tuple(identity) not in seen:
                so_far.tier = tier_before
                seen.add(tuple(identity))
            if before_tiers:
                so_far.before_tiers.add(fingerprint)
            so_far.note(action, fingerprint, (batch_id, index) if took_effect else None)
    return found


def append(entries: Iterable[Entry], now: datetime) -> None:
    """In order: the rows' numbers tell which came first."""
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(APPEND) as copy:
        for entry in entries:
            copy.write_row(_columns(entry, now))


def _columns(entry: Entry, now: datetime) -> tuple[object, ...]:
    event, rank = entry.event, entry.rank or (None, None)
    return (
        *event.identity,
        event.occurred_at,
        event.id,
        str(entry.action),
        entry.reason,
        entry.actor,
        now,
        *rank,
        entry.fingerprint,
        entry.rerating_id,
        entry.took_effect,
        *_state(entry.before),
        *_state(entry.after),
        _others(entry.before),
        _others(entry.after),
        entry.before.tier_id,
        entry.after.tier_id,
    )


def _others(state: EventState) -> Jsonb | None:
    return Jsonb(dict(state.others)) if state.others else None


def _state(state: EventState) -> tuple[object, ...]:
    cost = None if state.cost is None else from_pico(state.cost)
    return (int(state.status), int(state.usage_source), list(state.counts), state.price_id, cost)
