"""Receiving: what a gateway sent becomes one committed inbox row, and what cannot be read goes to the quarantine with it.

Everything that can be checked from the event alone is checked here, so that the gateway hears of it at once; the worker reads
the same bytes again and comes to the same result.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import structlog
from django.conf import settings
from django.db import transaction

from metering.ingest.directory import KeyOwner, directory
from metering.ingest.formats.corrections import CanonicalCorrection, read_correction
from metering.ingest.formats.dialects.leaves import LONGEST_PATH
from metering.ingest.formats.events import UNREADABLE, Event, known_of, read_all, read_event
from metering.ingest.formats.payloads import NOT_EVENTS, Content, InboxPayload
from metering.ingest.formats.rejected import Known, Rejected
from metering.ingest.formats.translated import NotInference, Untranslatable
from metering.ingest.intake.backpressure import make_room
from metering.ingest.intake.inbox import put
from metering.ingest.models import Batch, QuarantinedEvent
from metering.ingest.understanding.models import UnknownPath
from omixa_billing.reminders import remind_soon
from workspaces.models import Gateway
from workspaces.names import storable_text

log = structlog.get_logger(__name__)


class _Model(msgspec.Struct, gc=False):
    model: str = ""


_model = msgspec.json.Decoder(_Model)
READERS: dict[str, Callable[[Any, int, datetime], Event | CanonicalCorrection]] = {
    Batch.Kind.EVENTS: read_event,
    Batch.Kind.CORRECTIONS: read_correction,
}


# Workspaces (primary keys) that a gateway is bound to; none of them bound is no bound at all.
Bounds = frozenset[int]
EVERYWHERE: Bounds = frozenset()


class RefusalReason(NamedTuple):
    """Why nothing of what came is counted, whatever it says."""

    code: str
    message: str


REVOKED = RefusalReason("gateway_revoked", "Its gateway was revoked before it came.")
NOT_INFERENCE = "not_inference"
MOST_PATHS = 50  # of one event; rules about these come first


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


@dataclass(frozen=True, slots=True)
class Passed:
    """What is accepted and counted nowhere: its usage was counted when the answer was made that it fetched."""

    index: int
    content: bytes

    def item(self) -> dict[str, Any]:
        """As the batch lists it: whatever usage it states is a copy of another's."""
        known = known_of(self.content) or Known(attempt=None)
        return {
            "index": self.index,
            "request_id": known.request_id and storable_text(known.request_id),
            "attempt": known.attempt,
            "outcome": "duplicate",
            "code": NOT_INFERENCE,
            "message": "A call that fetches, lists, cancels or deletes is not inference, and is not counted.",
        }


class Checked(NamedTuple):
    """How much is in a payload, what of it cannot be recorded, in order, and in which events text was replaced."""

    number: int
    refused: list[Refused]
    replaced: list[Event]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What may be stored: a batch, and what of it goes to the quarantine instead."""

    batch: Batch
    refused: list[Refused]


def receive(payload: InboxPayload, gateway: Gateway, now: datetime, reason: RefusalReason | None = None) -> Batch:
    """Stores a batch. When this returns, it is committed and will be processed whatever happens next.

    For a `reason`, and from a revoked gateway, all of it goes to the quarantine. What an operator replays has no such bounds.
    Raises MalformedBody, BatchTooLarge, InboxFull: then nothing is stored.
    """
    admitted = admit(payload, gateway, now, reason)
    # Alone, the insert is a transaction of its own, which saves the way there and back that BEGIN and COMMIT take.
    with transaction.atomic() if admitted.refused else nullcontext():
        put([admitted.batch])
        quarantine(admitted.batch, admitted.refused, now)
    ask_for_processing([admitted.batch])
    return admitted.batch


def ask_for_processing(batches: Sequence[Batch]) -> None:
    remind_soon("metering.process_waiting_batches", sum(batch.event_count for batch in batches))


def admit(payload: InboxPayload, gateway: Gateway, now: datetime, reason: RefusalReason | None = None) -> Admitted:
    """Checks all that can be checked before anything is stored. Raises MalformedBody, BatchTooLarge, InboxFull."""
    make_room()
    directory.ensure_day(now)
    if reason is None and gateway.revoked_at is not None and payload.source != Batch.Source.REPLAY:
        reason = REVOKED
    passed: list[Passed] = []
    if reason is None:
        count, refused, replaced = check_payload(payload, now, _bounds(payload, gateway))
        passed = _passed(payload)
    else:
        count, refused = len(payload.contents), [refuse(*each, reason) for each in enumerate(payload.contents)]
        replaced = []
    listed: list[Refused | Passed] = [*refused, *passed]
    batch = Batch(
        gateway=gateway,
        received_at=now,
        kind=payload.kind,
        source=payload.source,
        body=payload.body,
        event_count=count,
        rejected=len(refused),
        items=[each.item() for each in sorted(listed, key=lambda each: each.index)],
    )
    batch.warnings = [text_replaced(event) for event in replaced]
    if replaced:
        log.warning("text_replaced", batch=batch.public_id, events=len(replaced))
    return Admitted(batch, refused)


def _passed(payload: InboxPayload) -> list[Passed]:
    contents = enumerate(payload.translated or ())
    return [Passed(index, content.content) for index, content in contents if isinstance(content, NotInference)]


def _bounds(payload: InboxPayload, gateway: Gateway) -> Bounds:
    return EVERYWHERE if payload.source == Batch.Source.REPLAY else gateway.bound_to


def refuse(index: int, content: Content, reason: RefusalReason) -> Refused:
    """Content that is refused for another reason than what it says."""
    inside = content.content if isinstance(content, NOT_EVENTS) else bytes(content)
    return Refused(index, Rejected(reason.code, reason.message, known_of(inside)), inside)


def text_replaced(event: Event) -> dict[str, Any]:
    """As the receipt warns of it."""
    message = "A text beside the usage cannot be stored as it was: what is no character of it was replaced by U+FFFD."
    return {"index": event.index, "request_id": event.request_id, "code": "text_replaced", "message": message}


def check_payload(payload: InboxPayload, received_at: datetime, bounds: Bounds = EVERYWHERE) -> Checked:
    """Raises MalformedBody, BatchTooLarge."""
    if payload.kind == Batch.Kind.EVENTS:
        events = read_all(payload.body, received_at)
        if events is not None and 0 < len(events) <= settings.INGEST_MAX_EVENTS and _are_on_keys(events, bounds):
            return Checked(len(events), [], [event for event in events if event.replaced])
    return _checked(payload.contents, payload.kind, received_at, bounds)


def _are_on_keys(events: list[Event], bounds: Bounds) -> bool:
    """Whether usage may be booked on every key that the events name."""
    ids = {event.key_id for event in events}
    keys = directory.find_keys(ids)
    return all(_may_book(keys.get(key_id), bounds) for key_id in ids)


def _may_book(owner: KeyOwner | None, bounds: Bounds) -> bool:
    return owner is not None and owner.may_have_usage and (not bounds or owner.workspace_id in bounds)


def check_each(contents: Sequence[Content], kind: str, received_at: datetime, bounds: Bounds = EVERYWHERE) -> list[Refused]:
    """What cannot be recorded, in order."""
    return _checked(contents, kind, received_at, bounds).refused


def _checked(contents: Sequence[Content], kind: str, received_at: datetime, bounds: Bounds) -> Checked:
    reader = READERS[kind]
    read: list[Event | CanonicalCorrection] = []
    refused = []
    for index, content in enumerate(contents):
        if isinstance(content, NotInference):
            continue
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
        if not _may_book(keys.get(each.key_id), bounds):
            refused.append(Refused(each.index, _unbookable(each), bytes(contents[each.index])))  # type: ignore[arg-type]
    replaced = [each for each in read if isinstance(each, Event) and each.replaced]
    return Checked(len(contents), sorted(refused, key=lambda each: each.index), replaced)


def _unbookable(read: Event | CanonicalCorrection) -> Rejected:
    known = Known(read.request_id, read.attempt, read.key_id)
    owner = directory.keys.get(read.key_id)
    if owner is None:
        return Rejected("unknown_key", "key_id is not the id of a key of any workspace.", known)
    if not owner.may_have_usage:
        return Rejected("admin_key", "key_id is the id of an admin key, which cannot call models.", known)
    return Rejected("wrong_workspace", "key_id is the id of a key of a workspace that this gateway is not bound to.", known)


def quarantine(batch: Batch, refused: list[Refused], now: datetime) -> None:
    """Keeps what was refused whole, with the reasons, and under its workspace where its key names one."""
    if not refused:
        return
    keys = directory.find_keys({each.rejection.key_id for each in refused if each.rejection.key_id})
    rows = QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(
            batch_id=batch.pk,
            index=each.index,
            kind=batch.kind,
            gateway_id=batch.gateway_id,
            by_operator=batch.source == Batch.Source.REPLAY,
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
    _note_unknown_paths(list(zip(rows, refused, strict=True)))


def _note_unknown_paths(quarantined: Sequence[tuple[QuarantinedEvent, Refused]]) -> None:
    """What of their usage is not understood, so that a rule about a path finds what waits for it."""
    unknown = [(row, each) for row, each in quarantined if each.rejection.not_understood is not None]
    if not unknown:
        return
    UnknownPath.objects.bulk_create(
        UnknownPath(event=row, dialect=paths.dialect, path=path, model=_model_of(each.content))
        for row, each in unknown
        if (paths := each.rejection.not_understood) is not None
        for path in dict.fromkeys(storable_text(path)[:LONGEST_PATH] for path in paths.paths[:MOST_PATHS])
    )


def _model_of(content: bytes) -> str:
    try:
        return storable_text(_model.decode(content).model)[:300]
    except UNREADABLE:
        return ""
