"""The door: what a gateway sent becomes one committed inbox row, and what cannot be read goes to the quarantine with it.

Everything that can be judged from the event alone is judged here, so that the gateway hears of it at once; the worker reads
the same bytes again and comes to the same result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from metering.ingest.bodies import open_envelope
from metering.ingest.directory import directory
from metering.ingest.events import Event, Known, Rejected, read_event
from metering.ingest.models import Batch, QuarantinedEvent
from omixa_billing.reminders import remind
from workspaces.models import Gateway


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that the door refused, with its own bytes."""

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


def take_in(body: bytes, gateway: Gateway, now: datetime) -> Batch:
    """Stores a batch. When this returns, it is committed and will be processed whatever happens next.

    Raises MalformedBody, BatchTooLarge: then nothing is stored.
    """
    raws = open_envelope(body)
    refused = check(raws, now)
    with transaction.atomic():
        batch = Batch.objects.create(
            gateway=gateway,
            received_at=now,
            body=body,
            event_count=len(raws),
            rejected=len(refused),
            items=[each.item() for each in refused],
        )
        quarantine(batch, refused, now)
    remind("metering.process_waiting_batches")
    return batch


def check(raws: Sequence[Any], received_at: datetime) -> list[Refused]:
    """The events that cannot be recorded, in order."""
    read, refused = [], []
    for index, raw in enumerate(raws):
        try:
            read.append(read_event(raw, index, received_at))
        except Rejected as rejected:
            refused.append(Refused(index, rejected, bytes(raw)))
    refused += [Refused(event.index, no, bytes(raws[event.index])) for event, no in _without_key(read)]
    return sorted(refused, key=lambda each: each.index)


def _without_key(events: list[Event]) -> list[tuple[Event, Rejected]]:
    keys = directory.find_keys({event.key_id for event in events})
    refused = []
    for event in events:
        owner = keys.get(event.key_id)
        if owner is None:
            refused.append((event, _rejected(event, "unknown_key", "key_id names no key of any workspace.")))
        elif not owner.takes_usage:
            refused.append((event, _rejected(event, "admin_key", "key_id names an admin key, which calls no model.")))
    return refused


def _rejected(event: Event, code: str, message: str) -> Rejected:
    return Rejected(code, message, Known(event.request_id, event.attempt, event.key_id))


def quarantine(batch: Batch, refused: list[Refused], now: datetime) -> None:
    """Keeps refused events whole, with their reasons, and under their workspace where their key names one."""
    if not refused:
        return
    keys = directory.find_keys({each.rejection.key_id for each in refused if each.rejection.key_id})
    QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(
            batch=batch,
            index=each.index,
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
