"""Writes down what became of each event of a batch, so that a gateway and an operator can see it."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from metering.ingest.intake.inbox import Claimed
from metering.ingest.intake.receive import NOT_INFERENCE
from metering.ingest.models import QuarantinedEvent
from metering.ingest.recording.arrivals import Arrival, Outcome

MARK = """
UPDATE metering_batch batch SET status = 'processed', processed_at = %s, items = settled.items::jsonb,
    rejected = settled.rejected, recorded = settled.recorded, duplicate = settled.duplicate,
    conflict = settled.conflict, unpriced = settled.unpriced
FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[])
    AS settled (id, received_at, items, rejected, recorded, duplicate, conflict, unpriced)
WHERE batch.id = settled.id AND batch.received_at = settled.received_at
"""

DUPLICATE = ("duplicate", "duplicate", "Recorded before with the same content; counted once.")
CONFLICT = (
    "conflict",
    "identity_taken",
    "Another event was recorded under this request id and attempt; the first stands.",
)
UNPRICED = ("unpriced", "no_price", "Recorded; no price covers its model, service tier and time yet.")


def mark_processed(batches: Sequence[Claimed], outcome: Outcome, now: datetime) -> None:
    """Marks batches as processed with their counts and items, and quarantines their conflicts."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    items: dict[int, list[dict[str, Any]]] = {batch.id: list(batch.items) for batch in batches}
    priced = Counter(arrival.batch_id for arrival in outcome.recorded if arrival.cost is not None)
    for batch_id, number in priced.items():
        counts[batch_id]["recorded"] = number
    for arrival in outcome.recorded:
        if arrival.cost is None:
            _note(items, counts, arrival, UNPRICED)
    for arrival in outcome.duplicates:
        _note(items, counts, arrival, DUPLICATE)
    for arrival in outcome.conflicts:
        _note(items, counts, arrival, CONFLICT)
    _quarantine_conflicts(batches, outcome.conflicts, now)
    mark(batches, items, counts, now)


def mark(
    batches: Sequence[Claimed], items: dict[int, list[dict[str, Any]]], counts: dict[int, Counter[str]], now: datetime
) -> None:
    """Marks batches as processed; by batch id, the items it lists and the counts of everything but what was rejected."""
    rows = [_row(batch, items[batch.id], counts[batch.id]) for batch in batches]
    with connection.cursor() as cursor:
        cursor.execute(MARK, [now, *map(list, zip(*rows, strict=True))])


def _row(batch: Claimed, items: list[dict[str, Any]], counts: Counter[str]) -> tuple[Any, ...]:
    """A batch's key and what MARK writes of it."""
    items.sort(key=lambda item: item["index"])
    rejected = sum(item["outcome"] == "rejected" for item in items)
    # What the endpoint passed over: a copy of what was counted before, such as the log of a call that fetched it.
    counts["duplicate"] += sum(item["code"] == NOT_INFERENCE for item in items)
    named = (counts[name] for name in ("recorded", "duplicate", "conflict", "unpriced"))
    return batch.id, batch.received_at, json.dumps(items), rejected, *named


def _note(
    items: dict[int, list[dict[str, Any]]],
    counts: dict[int, Counter[str]],
    arrival: Arrival,
    what: tuple[str, str, str],
) -> None:
    outcome, code, message = what
    counts[arrival.batch_id][outcome] += 1
    items[arrival.batch_id].append(
        {
            "index": arrival.event.index,
            "request_id": arrival.event.request_id,
            "attempt": arrival.event.attempt,
            "outcome": outcome,
            "code": code,
            "message": message,
        }
    )


def _quarantine_conflicts(batches: Sequence[Claimed], conflicts: list[Arrival], now: datetime) -> None:
    if not conflicts:
        return
    contents = {batch.id: batch.contents() for batch in batches}
    gateways = {batch.id: batch.gateway_id for batch in batches}
    _, code, message = CONFLICT
    QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(
            batch_id=arrival.batch_id,
            index=arrival.event.index,
            gateway_id=gateways[arrival.batch_id],
            workspace_id=arrival.workspace_id,
            outcome=QuarantinedEvent.Outcome.CONFLICT,
            code=code,
            message=message,
            request_id=arrival.event.request_id,
            attempt=arrival.event.attempt,
            content=bytes(contents[arrival.batch_id][arrival.event.index]),
            created_at=now,
        )
        for arrival in conflicts
    )
