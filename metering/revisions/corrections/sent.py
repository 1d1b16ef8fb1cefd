"""Corrections as they were sent: those of claimed batches, and those that came before their event and wait for it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection

from metering.ingest.directory import directory
from metering.ingest.formats.corrections import CanonicalCorrection, read_correction
from metering.ingest.intake.inbox import Claimed
from metering.ingest.models import IS_OPEN, Batch, QuarantinedEvent
from metering.revisions.corrections.trail import PlaceInOrder, Rank
from metering.revisions.stored_events import COLUMNS, Stored, read
from workspaces.models import Gateway

UNKNOWN_EVENT = "unknown_event"
Identity = tuple[int, str, int]
Place = tuple[Any, ...]  # workspace, time, request id, attempt

# As metering.ingest.formats.events.request_hash has it.
HASH = "substring(sha256(convert_to({column}, 'UTF8')) FROM 1 FOR 16)"
CLAIM = (
    "metering_eventidentity claim ON claim.workspace_id = {of}.workspace_id AND claim.attempt = {of}.attempt "
    f"AND claim.request_hash = {HASH.format(column='{of}.request_id')}"
)

# Only the newest are asked about at every reminder: thousands that wait for nothing must not slow down everybody's.
ARRIVED = f"""
SELECT waiting.id FROM (
    SELECT id, workspace_id, request_id, attempt FROM metering_quarantinedevent
    WHERE {IS_OPEN} AND kind = 'corrections' AND code = '{UNKNOWN_EVENT}' ORDER BY id DESC LIMIT %s
) waiting JOIN {CLAIM.format(of="waiting")} LIMIT %s
"""  # noqa: S608  # constants
LOCK = f"""
SELECT id FROM metering_quarantinedevent WHERE id = ANY(%s) AND {IS_OPEN} AND code = '{UNKNOWN_EVENT}'
ORDER BY id FOR UPDATE SKIP LOCKED
"""  # noqa: S608  # constants

# In two steps, so that the rows are locked in their order and not in that of the corrections; and for one workspace at a time,
# whose events lie on one node wherever they are distributed.
LOCATE = f"""
SELECT wanted.workspace_id, claim.occurred_at, wanted.request_id, wanted.attempt
FROM unnest(%s::int[], %s::text[], %s::int[]) AS wanted (workspace_id, request_id, attempt)
JOIN {CLAIM.format(of="wanted")}
"""  # noqa: S608  # constants
HOLD = f"""
SELECT {COLUMNS}
FROM unnest(%s::timestamptz[], %s::text[], %s::int[]) AS wanted (occurred_at, request_id, attempt)
JOIN metering_usageevent event ON event.occurred_at = wanted.occurred_at
    AND event.request_id = wanted.request_id AND event.attempt = wanted.attempt
JOIN metering_servicetier tier ON tier.id = event.service_tier_id
WHERE event.workspace_id = %s AND event.occurred_at BETWEEN %s AND %s
ORDER BY event.occurred_at, event.id FOR UPDATE OF event
"""  # noqa: S608  # constants


KEPT = """
SELECT event.workspace_id, event.request_id, event.attempt, event.usage
FROM unnest(%s::int[], %s::timestamptz[], %s::bigint[]) AS held (workspace_id, occurred_at, id)
JOIN metering_usageevent event ON event.workspace_id = held.workspace_id AND event.occurred_at = held.occurred_at
    AND event.id = held.id
WHERE event.occurred_at BETWEEN %s AND %s AND event.usage IS NOT NULL
"""


class Sender(NamedTuple):
    """Whose correction it is, and whether it may change what others sent."""

    gateway_id: int
    name: str
    may_correct_all: bool


class SentCorrectionRow(NamedTuple):
    """A correction with where it came from. `waiting` is its row in the quarantine (primary key), if it waited there."""

    correction: CanonicalCorrection
    batch_id: int
    workspace_id: int
    key_id: int
    sender: Sender
    content: bytes
    waiting: int | None = None

    @property
    def identity(self) -> Identity:
        return self.workspace_id, self.correction.request_id, self.correction.attempt

    @property
    def rank(self) -> Rank:
        return self.batch_id, self.correction.index

    @property
    def place(self) -> PlaceInOrder:
        """That, as the trail keeps it."""
        return self.batch_id, None if self.correction.is_reread else self.correction.index


def of_batches(batches: Sequence[Claimed]) -> list[SentCorrectionRow]:
    """What the endpoint accepted, in order."""
    senders = _senders({batch.gateway_id for batch in batches})
    sent = []
    for batch in batches:
        sender = senders[batch.gateway_id]
        if batch.source == Batch.Source.REPLAY:
            sender = sender._replace(may_correct_all=True)
        for index, raw in batch.admitted():
            correction = _read(raw, index, batch.received_at, by_operator=batch.source == Batch.Source.REPLAY)
            sent.append((correction, batch.id, sender, bytes(raw), None))
    return _owned(sent)


def find_arrived(among: int, limit: int) -> list[int]:
    """Those of the newest `among` in the quarantine whose event has arrived since (primary keys), at most `limit`."""
    with connection.cursor() as cursor:
        cursor.execute(ARRIVED, [among, limit])
        return [pk for (pk,) in cursor.fetchall()]


def lock_waiting(among: int, limit: int) -> list[int]:
    """Locks them; what others hold is left to them."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [find_arrived(among, limit)])
        return [pk for (pk,) in cursor.fetchall()]


def of_waiting(pks: Sequence[int]) -> list[SentCorrectionRow]:
    """Corrections that waited in the quarantine, in the order in which they were sent."""
    rows = QuarantinedEvent.objects.filter(pk__in=pks).select_related("gateway").order_by("batch_id", "index")
    return _owned(
        (
            _read(bytes(row.content), row.index, row.created_at, by_operator=row.by_operator),
            row.batch_id,
            Sender(row.gateway_id, row.gateway.name, row.by_operator or row.gateway.may_correct_all),
            bytes(row.content),
            row.pk,
        )
        for row in rows
    )


def _read(raw: bytes | memoryview, index: int, at: datetime, *, by_operator: bool) -> CanonicalCorrection:
    """What a gateway says that its correction was read from is passed over."""
    correction = read_correction(raw, index, at)
    if not by_operator:
        correction.read_from = None
    return correction


def _owned(sent: Iterable[tuple[CanonicalCorrection, int, Sender, bytes, int | None]]) -> list[SentCorrectionRow]:
    sent = list(sent)
    keys = directory.find_keys({correction.key_id for correction, *_ in sent})
    found = []
    for correction, batch_id, sender, content, waiting in sent:
        owner = keys[correction.key_id]
        found.append(SentCorrectionRow(correction, batch_id, owner.workspace_id, owner.key_id, sender, content, waiting))
    return found


def _senders(gateways: set[int]) -> dict[int, Sender]:
    rows = Gateway.objects.filter(pk__in=gateways).values_list("pk", "name", "may_correct_all")
    return {row[0]: Sender(*row) for row in rows}


def locate(identities: Iterable[Identity]) -> set[Place]:
    """Where the events of these identities lie, of those that have any."""
    wanted = sorted(set(identities))
    if not wanted:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(LOCATE, [*map(list, zip(*wanted, strict=True))])
        return set(cursor.fetchall())


def lock_events(places: Iterable[Place]) -> dict[Identity, Stored]:
    """Locks the events at these places, in the order of (workspace, time, id)."""
    events: list[Stored] = []
    with connection.cursor() as cursor:
        for workspace_id, of_workspace in groupby(sorted(places), key=itemgetter(0)):
            _, instants, *names = map(list, zip(*of_workspace, strict=True))
            cursor.execute(HOLD, [instants, *names, workspace_id, min(instants), max(instants)])
            events += read(cursor.fetchall())
    return {event.identity: event for event in _with_senders(events)}


def kept_under_lock(sent: Iterable[SentCorrectionRow], events: dict[Identity, Stored]) -> dict[Identity, bytes]:
    """What the events of corrections that were read again keep, compressed. The caller holds their rows."""
    reread = {each.identity for each in sent if each.correction.read_from is not None} & events.keys()
    places = [(events[each].workspace_id, events[each].occurred_at, events[each].id) for each in reread]
    if not places:
        return {}
    columns = [*map(list, zip(*places, strict=True))]
    with connection.cursor() as cursor:
        cursor.execute(KEPT, [*columns, min(columns[1]), max(columns[1])])
        return {tuple(identity): bytes(usage) for *identity, usage in cursor.fetchall()}


def _with_senders(events: list[Stored]) -> list[Stored]:
    """Events from before they named their gateway are that of their batch, while the inbox still has it."""
    unnamed = {event.batch_id for event in events if event.gateway_id is None}
    if not unnamed:
        return events
    known = dict(Batch.objects.filter(pk__in=unnamed).values_list("pk", "gateway_id"))
    return [event._replace(gateway_id=known.get(event.batch_id)) if event.gateway_id is None else event for event in events]
