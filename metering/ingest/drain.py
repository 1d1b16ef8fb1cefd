"""Empties the inbox: claims waiting batches, as many as make one good transaction, and records them set by set.

What must be true together is written together: identities, events, rollups, the quarantine, the batches' own state. A killed
worker leaves its batches waiting, and any other worker, or the same one later, takes them up.
"""

import json
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from django.db import connection, transaction
from django.db.models import F

from metering.ingest.bodies import open_envelope
from metering.ingest.directory import directory
from metering.ingest.events import Event, read_event
from metering.ingest.models import Batch
from metering.ingest.record import Recorded, number, record
from metering.ingest.settle import AWAY, record_one_by_one, settle
from metering.pricing.current import current_rates
from metering.pricing.rates import RateTable
from workspaces.last_used import note_uses

log = structlog.get_logger(__name__)

EVENTS_PER_TRANSACTION = 5_000
BATCHES_PER_FETCH = 10

# Whatever else belongs in the transaction that writes events: the rollups.
Fold = Callable[[list[Recorded]], None]

WAITING = """
SELECT id, event_count, received_at, body, items FROM metering_batch
WHERE status = 'pending' AND {condition}
ORDER BY id FOR UPDATE SKIP LOCKED
"""
FRESH = WAITING.format(condition="failures = 0")
ONE = WAITING.format(condition="id = %s")


class Claimed(NamedTuple):
    """A batch that this transaction holds."""

    id: int
    event_count: int
    received_at: datetime
    body: bytes
    items: list[dict[str, Any]]

    def open(self) -> list[Event]:
        """The events that the door let through, in order."""
        refused = {item["index"] for item in self.items}
        raws = enumerate(open_envelope(self.body))
        return [read_event(raw, index, self.received_at) for index, raw in raws if index not in refused]


def process_waiting(now: Callable[[], datetime], fold: Fold) -> int:
    """Processes batches until none waits, and returns how many it took up. Raises only when the database is away."""
    taken = 0
    while batches := _process_some(now(), fold):
        taken += batches
    return taken


def process_failed(now: Callable[[], datetime], fold: Fold) -> None:
    """Tries every batch that failed before once more, each alone."""
    failed = Batch.objects.filter(status=Batch.Status.PENDING, failures__gt=0).order_by("id")
    for batch_id in list(failed.values_list("id", flat=True)):
        _process_alone(batch_id, now(), fold)


def _process_some(now: datetime, fold: Fold) -> int:
    """One transaction over several batches; if anything in it fails, each of them alone."""
    batches: list[Claimed] = []
    try:
        with transaction.atomic():
            rates = current_rates()
            batches += _claim_fresh()
            _record(batches, rates, now, fold)
    except AWAY:
        directory.forget()
        raise
    except Exception as error:
        directory.forget()
        log.warning("batches_retried_alone", batches=[batch.id for batch in batches], error=repr(error))
        for batch in batches:
            _process_alone(batch.id, now, fold)
    return len(batches)


def _claim_fresh() -> list[Claimed]:
    """Locks the oldest waiting batches that no other worker holds, up to a good transaction's worth of events."""
    claimed: list[Claimed] = []
    with connection.chunked_cursor() as cursor:
        cursor.execute(FRESH)
        while sum(batch.event_count for batch in claimed) < EVENTS_PER_TRANSACTION:
            rows = cursor.fetchmany(BATCHES_PER_FETCH)
            claimed += [_claimed(row) for row in rows]
            if len(rows) < BATCHES_PER_FETCH:
                break
    return claimed


def _claimed(row: tuple[Any, ...]) -> Claimed:
    batch_id, event_count, received_at, body, items = row
    return Claimed(batch_id, event_count, received_at, zlib.decompress(body), json.loads(items))


def _record(batches: list[Claimed], rates: RateTable, now: datetime, fold: Fold) -> None:
    """Everything that claimed batches come to, in the transaction that claimed them."""
    if not batches:
        return
    outcome = record(number((batch.id, event) for batch in batches for event in batch.open()), rates, now)
    fold(outcome.recorded)
    settle(batches, outcome, now)
    note_uses(_last_uses(outcome.recorded, now))


def _last_uses(recorded: list[Recorded], now: datetime) -> dict[int, datetime]:
    """When each key was last used in these events; a gateway's clock that runs ahead does not count."""
    uses: dict[int, datetime] = {}
    for arrival, _, _ in recorded:
        at = min(arrival.event.occurred_at, now)
        if uses.get(arrival.key_id, at) <= at:
            uses[arrival.key_id] = at
    return uses


def _process_alone(batch_id: int, now: datetime, fold: Fold) -> None:
    """One batch in a transaction of its own, event by event if need be. A failure is noted on it, and it stays waiting."""
    for attempt in (_record, record_one_by_one):
        try:
            with transaction.atomic():
                rates = current_rates()
                with connection.cursor() as cursor:
                    cursor.execute(ONE, [batch_id])
                    attempt([_claimed(row) for row in cursor.fetchall()], rates, now, fold)
            return
        except AWAY:
            directory.forget()
            raise
        except Exception as error:
            directory.forget()
            failure = repr(error)
            log.exception("batch_failed", batch=batch_id)
    Batch.objects.filter(pk=batch_id).update(failures=F("failures") + 1, last_error=failure)
