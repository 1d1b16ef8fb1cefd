"""Sends quarantined events to the endpoint again, as they were or as an operator edited them.

The batch is stored and its events are settled in one transaction, under their locks: killed anywhere, run twice or twice at
once, nothing is replayed twice and nothing is lost. Identity is in the content, so what was recorded meanwhile comes out as
a duplicate; what is refused again comes back as a new quarantined event of the new batch. A replay is checked as of the moment
of the replay, as docs/decisions/0009 explains.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Length

from metering.errors import AlreadyResolved
from metering.ingest.directory import directory
from metering.ingest.formats.bodies import Envelope, redact_json
from metering.ingest.formats.events import UNREADABLE
from metering.ingest.formats.payloads import Content, packed
from metering.ingest.formats.translated import Untranslatable
from metering.ingest.intake.receive import Refused, check_each, receive
from metering.ingest.models import Batch, QuarantinedEvent, QuarantinedEventQuerySet
from metering.ingest.quarantine.changes import edits
from metering.ingest.quarantine.dismiss import chunks_of
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.reminders import remind_soon
from workspaces import audit

AROUND = 64  # bytes of a body that are not its events'
ACTION = "quarantine.replayed"


class Waiting(NamedTuple):
    """A quarantined event that is to go, without its content."""

    pk: int
    gateway_id: int
    kind: str
    size: int


def replay_events(ids: Sequence[int], actor: str, now: datetime, reason: str = "") -> list[Batch]:
    """Replays those of the events (primary keys) that are open, in the order of their ids, and returns the batches.

    Each batch is a transaction of its own. Raises AlreadyResolved when none is open any more, InboxFull when there is no
    room: the batches before that are stored, the events after it stay open.
    """
    batches = list(_batches(ids, actor, now, reason))
    if not batches:
        raise AlreadyResolved("Nothing to replay: it is settled already.")
    return batches


def replay_matching(
    matching: QuarantinedEventQuerySet, actor: str, now: datetime, reason: str = "", most: int | None = None
) -> Iterator[Batch]:
    """Replays the open ones among `matching`, `most` of them if there are more, and yields each batch once it is stored.

    What a replay brings back is not replayed again. Raises InboxFull as `replay_events` does.
    """
    for ids in chunks_of(matching, most):
        yield from _batches(ids, actor, now, reason)


def replay_edited(event_id: int, content: bytes, actor: str, now: datetime, reason: str = "") -> Batch:
    """Replays one event with other content. Raises InvalidParameter when the endpoint would refuse that: nothing changes then.

    Raises AlreadyResolved when it is not open any more.
    """
    event = QuarantinedEvent.objects.get(pk=event_id)
    content = redact_json(content.strip())
    if len(content) > settings.INGEST_MAX_BYTES - AROUND:
        raise InvalidParameter("This is more than one batch may hold: 5 MiB.", param="content")
    refused = forecast(content, event.kind, now)
    if refused is not None:
        raise InvalidParameter(refused.rejection.message, param="content")
    detail = {"edited": edits(bytes(event.content), content)}
    batch = _send([_waiting(event, len(content))], actor, now, reason.strip(), content, detail)
    if batch is None:
        raise AlreadyResolved("Nothing to replay: it is settled already.")
    return batch


def forecast(content: bytes, kind: str, now: datetime) -> Refused | None:
    """Why the endpoint would refuse this content; None when it would accept it."""
    refused = check_each([raw_content(content)], kind, now)
    return refused[0] if refused else None


def raw_content(content: bytes) -> Content:
    """The content as something that can stand in a body beside others: whole JSON, or else a refusal that keeps it."""
    try:
        inside = msgspec.json.decode(b'{"events":[%s]}' % content, type=Envelope).events
    except UNREADABLE:
        return Untranslatable("invalid_event", _unreadable(content), content)
    if [bytes(each) for each in inside] != [content.strip()]:
        return Untranslatable("invalid_event", "This is not one JSON value, but none or several.", content)
    return content


def _unreadable(content: bytes) -> str:
    """Why, with the position in the content and not in the body."""
    try:
        msgspec.json.decode(content)
    except UNREADABLE as error:
        return f"This is not JSON: {error}."
    return "This is not one JSON value, but none or several."


def _waiting(event: QuarantinedEvent, size: int) -> Waiting:
    return Waiting(event.pk, event.gateway_id, event.kind, size)


def _batches(ids: Sequence[int], actor: str, now: datetime, reason: str) -> Iterator[Batch]:
    for group in _groups(ids):
        batch = _send(group, actor, now, reason.strip())
        if batch is not None:
            yield batch


def _groups(ids: Sequence[int]) -> list[list[Waiting]]:
    """The open ones by gateway and kind, each group no more than a body holds. Contents are not read for this."""
    found = QuarantinedEvent.objects.open().filter(pk__in=ids).order_by("id")
    rows = found.values_list("pk", "gateway_id", "kind", Length("content"))
    groups: list[list[Waiting]] = []
    filling: dict[tuple[int, str], tuple[list[Waiting], int]] = {}
    for each in (Waiting(*row) for row in rows.iterator()):
        group, size = filling.get((each.gateway_id, each.kind), ([], 0))
        size += each.size + 1
        if not group or len(group) == settings.INGEST_MAX_EVENTS or size > settings.INGEST_MAX_BYTES - AROUND:
            group, size = [], each.size + 1
            groups.append(group)
        group.append(each)
        filling[each.gateway_id, each.kind] = group, size
    return groups


def _send(
    group: list[Waiting],
    actor: str,
    now: datetime,
    reason: str,
    content: bytes | None = None,
    detail: dict[str, Any] | None = None,
) -> Batch | None:
    """One batch of those still open, or None. `content` stands for the content of a group of one."""
    # Outside the transaction: should that be rolled back, the process must not remember a day that is not there.
    directory.ensure_day(now)
    with transaction.atomic():
        still_open = QuarantinedEvent.objects.open().filter(pk__in=[each.pk for each in group])
        events = list(still_open.order_by("id").select_for_update(of=("self",)).select_related("gateway", "workspace"))
        if not events:
            return None
        contents = [raw_content(bytes(event.content) if content is None else content) for event in events]
        batch = receive(packed(contents, group[0].kind), events[0].gateway, now)
        QuarantinedEvent.objects.filter(pk__in=[event.pk for event in events]).update(
            settled_at=now, settlement=settlement(actor, reason, content is not None), replayed_in=batch.public_id
        )
        detail_of_all = {"batch": batch.public_id} | ({"reason": reason} if reason else {}) | (detail or {})
        acts = [(event.public_id, event.workspace, {**detail_of_all, "code": event.code}) for event in events]
        audit.record_many(actor, ACTION, acts, now=now)
    # What take_in reminded of could not be seen before the commit.
    transaction.on_commit(lambda: remind_soon("metering.process_waiting_batches"))
    return batch


def settlement(actor: str, reason: str, edited: bool) -> str:
    """`edited and replayed by a@b.example: the total was wrong`."""
    return f"{'edited and ' if edited else ''}replayed by {actor}{f': {reason}' if reason else ''}"
