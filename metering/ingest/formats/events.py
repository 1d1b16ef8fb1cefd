"""One usage event from its bytes: typed, checked, in canonical form. The same bytes always read the same."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from metering.components import NO_OTHERS, Counts, OtherCounts
from metering.ingest.formats.dialects.plain import PlainUsage
from metering.ingest.formats.dialects.registry import DialectName
from metering.ingest.formats.labels import detail_of, with_storable_labels
from metering.ingest.formats.rejected import Known, Rejected
from metering.ingest.formats.repeated import plainly_repeats
from metering.ingest.formats.usage import USAGE, NotPlain, UsageRead, check_usage_once, read_plain, read_usage
from metering.ingest.models import EventStatus, UsageSource

MAX_AHEAD = timedelta(minutes=10)
MAX_BEHIND = timedelta(days=400)

# RFC 3339. A leap second is not an instant that a computer's calendar has.
INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
# What a decoder raises at bytes that are no event: wrong JSON, wrong types, wrong UTF-8, too deep.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Text = Annotated[str, msgspec.Meta(max_length=512)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]

STATUSES = {status.label: status.value for status in EventStatus}
SOURCES = {source.label: source.value for source in UsageSource}


def request_hash(request_id: str) -> bytes:
    """The request id as identities have it: the first half of its SHA-256, which SQL can compute too."""
    return sha256(request_id.encode()).digest()[:16]


# `usage` is read with the event where it may be plain, and else is left raw: its dialect says what is in it.
U = TypeVar("U")


class SentEvent(msgspec.Struct, Generic[U], gc=False):
    """An event as the contract has it; null in an optional field is the same as leaving it out."""

    request_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    key_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    occurred_at: str
    attempt: Count | None = None
    usage: U = None  # type: ignore[assignment]
    dialect: DialectName | None = None
    usage_source: Literal["provider", "estimated"] | None = None
    status: Literal["succeeded", "aborted", "failed"] | None = None
    service_tier: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    provider: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    endpoint: Text | None = None
    route: Text | None = None
    user: Text | None = None
    stream: bool | None = None
    latency_ms: Count | None = None
    time_to_first_token_ms: Count | None = None
    metadata: dict[str, Any] | None = None


class SentBatch(msgspec.Struct, Generic[U], gc=False):
    """A body of them."""

    events: list[SentEvent[U]]


class Event(msgspec.Struct, gc=False):
    """An event in canonical form; times in UTC, tokens as in Counts."""

    index: int
    request_id: str
    attempt: int
    key_id: str
    model: str
    occurred_at: datetime
    status: int
    usage_source: int
    service_tier: str
    provider: str
    counts: Counts
    stream: bool | None
    latency_ms: int | None
    time_to_first_token_ms: int | None
    detail: str | None
    others: OtherCounts = NO_OTHERS
    # The usage object as it was sent, compressed, where it says more than the counts.
    usage: bytes | None = None
    # Whether text in its labels was replaced, of which its sender hears.
    replaced: bool = False

    def fingerprint(self) -> bytes:
        """16 bytes that tell a retry of the same event from another event under its name.

        Everything counts but the time: a retry may carry a newer one and is still the same event.
        """
        content: tuple[object, ...] = (
            self.key_id,
            self.model,
            self.status,
            self.usage_source,
            self.service_tier,
            self.provider,
            self.counts,
            self.stream,
            self.latency_ms,
            self.time_to_first_token_ms,
            self.detail,
        )
        if self.others:
            content = (*content, self.others)
        return sha256(_packed(content)).digest()[:16]


LIST = b'"events"'
_sent = msgspec.json.Decoder(SentEvent[msgspec.Raw])
_batch = msgspec.json.Decoder(SentBatch[msgspec.Raw])
_plain_batch = msgspec.json.Decoder(SentBatch[PlainUsage | None])
_known = msgspec.json.Decoder(Known)
_packed = msgspec.msgpack.Encoder().encode


def read_event(raw: bytes | memoryview, index: int, received_at: datetime) -> Event:
    """The event at position `index` of a batch received then. Raises Rejected."""
    sent, replaced = _opened(raw)
    try:
        check_usage_once(raw)
        event = _canonical(sent, index, _plausible_times(received_at), read_usage(sent, received_at))
    except Rejected as rejected:
        known = Known(sent.request_id, sent.attempt or 0, sent.key_id)
        raise Rejected(rejected.code, rejected.message, known, rejected.not_understood) from None
    event.replaced |= replaced
    return event


def _opened(raw: bytes | memoryview) -> tuple[SentEvent[msgspec.Raw], bool]:
    """What was sent, and whether half characters in its labels were replaced. Raises Rejected."""
    try:
        return _sent.decode(raw), False
    except UNREADABLE as error:
        cleaned = with_storable_labels(raw)
        if cleaned is None:
            raise unreadable(raw, str(error)) from None
    try:
        return _sent.decode(cleaned), True
    except UNREADABLE as error:
        raise unreadable(raw, str(error)) from None


def read_all(body: bytes, received_at: datetime, *, checked: bool = False) -> list[Event] | None:
    """The events of a whole body, if nothing is wrong with any of them; else None, and only one by one tells with which.

    A body that was `checked` when it came repeats no name: the worker need not look for any.
    """
    times = _plausible_times(received_at)
    try:
        plain = _plain_batch.decode(body).events
        if not checked and plainly_repeats(body, [sent.usage for sent in plain]):
            raise NotPlain
        return [_canonical(sent, index, times, read_plain(sent)) for index, sent in enumerate(plain)]
    except (Rejected, NotPlain, *UNREADABLE):
        pass
    try:
        sent_raw = _batch.decode(body).events
        if not checked and (body.count(USAGE) > len(sent_raw) or body.count(LIST) > 1):
            return None
        return [_canonical(sent, index, times, read_usage(sent, received_at)) for index, sent in enumerate(sent_raw)]
    except (Rejected, *UNREADABLE):
        return None


def _canonical(sent: SentEvent[Any], index: int, times: tuple[datetime, datetime], read: UsageRead) -> Event:
    tier, provider = sent.service_tier, sent.provider or ""
    if "\x00" in sent.request_id + sent.key_id + sent.model + provider + (tier or ""):
        _refuse_nul(sent)
    status = sent.status or "succeeded"
    counts, billed, others, usage = read
    detail, replaced = detail_of(sent)
    return Event(  # in the order of its fields: names would cost more than all the rest
        index,
        sent.request_id,
        sent.attempt or 0,
        sent.key_id,
        sent.model,
        _plausible(sent.occurred_at, times),
        STATUSES[status],
        SOURCES[sent.usage_source or "provider"],
        billed,
        provider,
        counts,
        sent.stream,
        sent.latency_ms,
        sent.time_to_first_token_ms,
        detail,
        others,
        usage,
        replaced,
    )


def _refuse_nul(sent: SentEvent[Any]) -> None:
    for name in ("request_id", "key_id", "model", "provider", "service_tier"):
        storable(getattr(sent, name) or "", name)


def _plausible_times(received_at: datetime) -> tuple[datetime, datetime]:
    """The first and the last time that an event may have which was received then."""
    return received_at - MAX_BEHIND, received_at + MAX_AHEAD


def _plausible(occurred_at: str, times: tuple[datetime, datetime]) -> datetime:
    """The time in UTC, cut to microseconds: rounding up could move it into the next month. Raises Rejected."""
    if INSTANT.fullmatch(occurred_at) is None:
        raise Rejected("invalid_event", "occurred_at must be RFC 3339 with a zone, as 2026-10-01T00:00:00Z.")
    try:
        instant = datetime.fromisoformat(occurred_at.upper())
        if instant.tzinfo is not UTC:
            instant = instant.astimezone(UTC)
    except ValueError as error:
        raise Rejected("invalid_event", f"occurred_at is not a time: {error}.") from None
    except OverflowError:
        raise Rejected("occurred_at_out_of_range", "occurred_at is outside the calendar.") from None
    earliest, latest = times
    if instant > latest:
        raise Rejected("occurred_at_in_the_future", "occurred_at is more than 10 minutes in the future: check the clock.")
    if instant < earliest:
        raise Rejected("occurred_at_too_old", "occurred_at is more than 400 days in the past.")
    return instant


def storable(text: str, name: str) -> str:
    if "\x00" in text:
        raise Rejected("invalid_event", f"{name} contains a NUL character, which cannot be stored.")
    return text


def unreadable(raw: bytes | memoryview, message: str, code: str = "invalid_event") -> Rejected:
    """The rejection of what is not of the contract's shape, with whatever of its identity can be read."""
    return Rejected(code, message, known_of(raw))


def known_of(raw: bytes | memoryview) -> Known | None:
    """What names an event that cannot be read as a whole, as far as it can be."""
    try:
        return _known.decode(raw)
    except UNREADABLE:
        return None
