"""The inbox: batches that wait, and how a worker takes hold of them."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import connection
from psycopg import Cursor

from metering.ingest.formats.bodies import open_envelope
from metering.ingest.formats.events import Event, read_all, read_event
from metering.ingest.models import Batch, compressed, decompressed
from metering.ingest.recording.arrivals import BatchOrigin

EVENTS_PER_TRANSACTION = 10_000
BYTES_PER_TRANSACTION = 32 * 1024 * 1024
BATCHES_PER_FETCH = 10

PLAIN = (
    *("public_id", "gateway_id", "received_at", "kind", "source", "event_count", "status", "failures", "last_error"),
    *("recorded", "duplicate", "conflict", "unpriced", "rejected"),
)
INSERT = f"INSERT INTO metering_batch ({', '.join(PLAIN)}, body, items) VALUES "  # noqa: S608 - constants
VALUES_OF_ONE = f"({', '.join(['%s'] * len(PLAIN))}, %b, %s::jsonb)"

WAITING = """
SELECT id, kind, source, gateway_id, event_count, received_at, body, items FROM metering_batch
WHERE status = 'pending' AND {condition}
ORDER BY id FOR UPDATE SKIP LOCKED
"""
# One that failed before is left to the sweep, which takes such ones alone.
FRESH = WAITING.format(condition="failures = 0 AND kind = %s")
ONE = WAITING.format(condition="id = %s")


class Claimed(NamedTuple):
    """A batch that this transaction holds."""

    id: int
    kind: str
    source: str
    gateway_id: int
    event_count: int
    received_at: datetime
    compressed: bytes
    items: list[dict[str, Any]]

    @property
    def body(self) -> bytes:
        """As it was sent. Decompressed here and not when claimed: a damaged one must fail alone."""
        return decompressed(self.compressed)

    @property
    def row(self) -> Batch:
        """What the quarantine keeps of it."""
        return Batch(pk=self.id, kind=self.kind, source=self.source, gateway_id=self.gateway_id)

    def arriving(self) -> Iterator[tuple[BatchOrigin, Event]]:
        """The events that the endpoint accepted, each with where it came from."""
        origin = BatchOrigin(self.id, self.gateway_id)
        return ((origin, event) for event in self.open())

    def open(self) -> list[Event]:
        """The events that the endpoint accepted, in order."""
        if not self.items and (events := read_all(self.body, self.received_at, checked=True)) is not None:
            return events
        return [read_event(raw, index, self.received_at) for index, raw in self.admitted()]

    def admitted(self) -> Iterator[tuple[int, bytes | msgspec.Raw]]:
        """What the endpoint did not refuse, by position, still raw."""
        refused = {item["index"] for item in self.items}
        return ((index, raw) for index, raw in enumerate(self.contents()) if index not in refused)

    def contents(self) -> Sequence[bytes | msgspec.Raw]:
        return open_envelope(self.body, self.kind)


def put(batches: Sequence[Batch]) -> None:
    """Inserts batches, each of which gets its id. Bodies go as bytes; the ORM would spell every one of them out in hex."""
    values = [value for batch in batches for value in _row(batch)]
    statement = INSERT + ", ".join([VALUES_OF_ONE] * len(batches)) + " RETURNING public_id, id"
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute(statement, values)
        ids = dict(cursor.fetchall())
    for batch in batches:
        batch.pk = ids[batch.public_id]


def _row(batch: Batch) -> list[Any]:
    return [*(getattr(batch, name) for name in PLAIN), compressed(bytes(batch.body)), json.dumps(batch.items)]


def claim_fresh(kind: str) -> list[Claimed]:
    """Locks the oldest waiting batches of a kind that no other worker holds, up to a good transaction's worth."""
    claimed: list[Claimed] = []
    events = size = 0
    with connection.chunked_cursor() as cursor:
        cursor.execute(FRESH, [kind])
        while events < EVENTS_PER_TRANSACTION and size < BYTES_PER_TRANSACTION:
            batches = [_claimed(row) for row in cursor.fetchmany(BATCHES_PER_FETCH)]
            claimed += batches
            events += sum(batch.event_count for batch in batches)
            size += sum(len(batch.compressed) for batch in batches)
            if len(batches) < BATCHES_PER_FETCH:
                break
    return claimed


def claim_one(batch_id: int) -> list[Claimed]:
    """Locks that batch, unless it is no longer waiting or another worker holds it."""
    with connection.cursor() as cursor:
        cursor.execute(ONE, [batch_id])
        return [_claimed(row) for row in cursor.fetchall()]


def _claimed(row: tuple[Any, ...]) -> Claimed:
    *plain, body, items = row
    return Claimed._make((*plain, bytes(body), json.loads(items)))
