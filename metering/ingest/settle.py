"""Writes down what became of each event of a batch, so that a gateway and an operator can see it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import Error, InterfaceError, OperationalError, transaction

from metering.ingest.bodies import open_envelope
from metering.ingest.door import Refused, quarantine
from metering.ingest.events import Event, Known, Rejected
from metering.ingest.models import Batch, QuarantinedEvent
from metering.ingest.record import Arrival, Outcome, Recorded, number, record
from metering.pricing.rates import RateTable

if TYPE_CHECKING:
    from metering.ingest.drain import Claimed

# Not the events' fault: whoever runs the transaction leaves it as it is and tries again.
AWAY = (OperationalError, InterfaceError)

DUPLICATE = ("duplicate", "duplicate", "Recorded before with the same content; counted once.")
CONFLICT = (
    "conflict",
    "identity_taken",
    "Another event was recorded under this request id and attempt; the first stands.",
)
UNPRICED = ("unpriced", "no_price", "Recorded; no price covers its model, service tier and time yet.")


def settle(batches: Sequence["Claimed"], outcome: Outcome, now: datetime) -> None:
    """Marks batches as processed with their counts and items, and quarantines their conflicts."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    items: dict[int, list[dict[str, Any]]] = {batch.id: list(batch.items) for batch in batches}
    for recorded in outcome.recorded:
        if recorded.is_unpriced:
            _note(items, counts, recorded.arrival, UNPRICED)
        else:
            counts[recorded.arrival.batch_id]["recorded"] += 1
    for arrival in outcome.duplicates:
        _note(items, counts, arrival, DUPLICATE)
    for arrival in outcome.conflicts:
        _note(items, counts, arrival, CONFLICT)
    _quarantine_conflicts(batches, outcome.conflicts, now)
    Batch.objects.bulk_update(
        [
            Batch(
                pk=batch.id,
                status=Batch.Status.PROCESSED,
                processed_at=now,
                items=sorted(items[batch.id], key=lambda item: item["index"]),
                rejected=sum(item["outcome"] == "rejected" for item in items[batch.id]),
                **{name: counts[batch.id][name] for name in ("recorded", "duplicate", "conflict", "unpriced")},
            )
            for batch in batches
        ],
        ["status", "processed_at", "items", "rejected", "recorded", "duplicate", "conflict", "unpriced"],
    )


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


def _quarantine_conflicts(batches: Sequence["Claimed"], conflicts: list[Arrival], now: datetime) -> None:
    if not conflicts:
        return
    contents = {batch.id: open_envelope(batch.body) for batch in batches}
    _, code, message = CONFLICT
    QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(
            batch_id=arrival.batch_id,
            index=arrival.event.index,
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


def record_one_by_one(
    batches: Sequence["Claimed"], rates: RateTable, now: datetime, fold: Callable[[list[Recorded]], None]
) -> None:
    """The slow way for a batch that the database refuses as a whole: the event at fault is quarantined, the others stand."""
    for batch in batches:
        total = Outcome([], [], [])
        items = list(batch.items)
        for event in batch.open():
            try:
                with transaction.atomic():
                    outcome = record(number([(batch.id, event)]), rates, now)
                    fold(outcome.recorded)
            except AWAY:
                raise
            except Error as error:
                refused = Refused(event.index, _poison(event, error), bytes(open_envelope(batch.body)[event.index]))
                quarantine(Batch(pk=batch.id), [refused], now)
                items.append(refused.item())
            else:
                for sums, part in zip(total, outcome, strict=True):
                    sums += part  # type: ignore[operator]
        settle([batch._replace(items=items)], total, now)


def _poison(event: Event, error: Error) -> Rejected:
    """The rejection of an event that the database itself refuses."""
    message = f"The database refused it: {str(error).splitlines()[0]}"
    return Rejected("refused_by_database", message, Known(event.request_id, event.attempt, event.key_id))
