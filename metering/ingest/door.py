"""The door: what a gateway sent becomes one committed inbox row, and what cannot be read goes to the quarantine with it.

Everything that can be judged from the event alone is judged here, so that the gateway hears of it at once; the worker reads
the same bytes again and comes to the same result.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from metering.ingest.backpressure import make_room
from metering.ingest.corrections import Correction, read_correction
from metering.ingest.directory import directory
from metering.ingest.events import Event, Known, Rejected, known_of, read_all, read_event
from metering.ingest.foreign import Untranslatable
from metering.ingest.inbox import put
from metering.ingest.models import Batch, QuarantinedEvent
from metering.ingest.parcels import Content, Parcel
from omixa_billing.reminders import remind_soon
from workspaces.models import Gateway

READERS: dict[str, Callable[[Any, int, datetime], Event | Correction]] = {
    Batch.Kind.EVENTS: read_event,
    Batch.Kind.CORRECTIONS: read_correction,
}


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused, with its own bytes."""

    index: int
    rejection: Rejected
    content: bytes

    def item(self) -> dict[str, Any]:
        """As the batch lists it."""
        return {
            "index": self.index,
            "request_id": self.rejection.request_id,
            "attempt": self.rejection.attempt,
            "outcome": "rejected",
            "code": self.rejection.code,
            "message": self.rejection.message,
        }


def take_in(parcel: Parcel, gateway: Gateway, now: datetime) -> Batch:
    """Stores a batch. When this returns, it is committed and will be processed whatever happens next.

    Raises MalformedBody, BatchTooLarge, InboxFull: then nothing is stored.
    """
    make_room()
    directory.ensure_day(now)
    count, refused = check(parcel, now)
    batch = Batch(
        gateway=gateway,
        received_at=now,
        kind=parcel.kind,
        source=parcel.source,
        body=parcel.body,
        event_count=count,
        rejected=len(refused),
        items=[each.item() for each in refused],
    )
    # Alone, the insert is a transaction of its own, which saves the way there and back that BEGIN and COMMIT take.
    with transaction.atomic() if refused else nullcontext():
        put(batch)
        quarantine(batch, refused, now)
    remind_soon("metering.process_waiting_batches")
    return batch


def check(parcel: Parcel, received_at: datetime) -> tuple[int, list[Refused]]:
    """How much is in a parcel, and what of it cannot be recorded, in order. Raises MalformedBody, BatchTooLarge."""
    if parcel.kind == Batch.Kind.EVENTS:
        events = read_all(parcel.body, received_at)
        if events is not None and 0 < len(events) <= settings.INGEST_MAX_EVENTS and _are_on_keys(events):
            return len(events), []
    return len(parcel.contents), check_each(parcel.contents, parcel.kind, received_at)


def _are_on_keys(events: list[Event]) -> bool:
    """Whether usage may be booked on every key that the events name."""
    ids = {event.key_id for event in events}
    keys = directory.find_keys(ids)
    return all((owner := keys.get(key_id)) is not None and owner.takes_usage for key_id in ids)


def check_each(contents: Sequence[Content], kind: str, received_at: datetime) -> list[Refused]:
    """What cannot be recorded, in order."""
    reader = READERS[kind]
    read: list[Event | Correction] = []
    refused = []
    for index, content in enumerate(contents):
        if isinstance(content, Untranslatable):
            rejection = Rejected(content.code, content.message, known_of(content.content))
            refused.append(Refused(index, rejection, content.content))
            continue
        try:
            read.append(reader(content, index, received_at))
        except Rejected as rejected:
            refused.append(Refused(index, rejected, bytes(content)))
    keys = directory.find_keys({each.key_id for each in read})
    for each in read:
        owner = keys.get(each.key_id)
        if owner is None or not owner.takes_usage:
            refused.append(Refused(each.index, _without_key(each), bytes(contents[each.index])))  # type: ignore[arg-type]
    return sorted(refused, key=lambda each: each.index)


def _without_key(read: Event | Correction) -> Rejected:
    known = Known(read.request_id, read.attempt, read.key_id)
    if read.key_id in directory.keys:
        return Rejected("admin_key", "key_id names an admin key, which calls no model.", known)
    return Rejected("unknown_key", "key_id names no key of any workspace.", known)


def quarantine(batch: Batch, refused: list[Refused], now: datetime) -> None:
    """Keeps what was refused whole, with the reasons, and under its workspace where its key names one."""
    if not refused:
        return
    keys = directory.find_keys({each.rejection.key_id for each in refused if each.rejection.key_id})
    QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(
            batch_id=batch.pk,
            index=each.index,
            kind=batch.kind,
            gateway_id=batch.gateway_id,
            workspace_id=owner.workspace_id if (owner := keys.get(each.rejection.key_id or "")) else None,
            outcome=QuarantinedEvent.Outcome.REJECTED,
            code=each.rejection.code,
            message=each.rejection.message,
            request_id=each.rejection.request_id,
            attempt=each.rejection.attempt,
            content=each.content,
            created_at=now,
        )
        for each in refused
    )
