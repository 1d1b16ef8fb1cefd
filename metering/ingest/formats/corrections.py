"""One correction from its bytes: typed, checked, in canonical form. The same bytes always read the same."""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from metering.components import NO_OTHERS, Counts, OtherCounts, read_of
from metering.ingest.formats.dialects.registry import DialectName
from metering.ingest.formats.dialects.served import AS_USUAL, Served
from metering.ingest.formats.events import UNREADABLE, Count, storable, unreadable
from metering.ingest.formats.rejected import Known, Rejected
from metering.ingest.formats.usage import check_usage_once, is_stated, kept_usage, tier_of, understood_usage
from workspaces.redaction import redact

Action = Literal["void", "replace"]


class SentCorrection(msgspec.Struct, gc=False):
    """A correction as the contract has it; null in an optional field is the same as leaving it out."""

    request_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    key_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    action: Action
    attempt: Count | None = None
    usage: msgspec.Raw = msgspec.Raw()
    dialect: DialectName | None = None
    reason: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    # Only of what is read again, which no gateway does.
    read_from: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class CanonicalCorrection(msgspec.Struct, gc=False):
    """A correction in canonical form. `counts` is None for a void, which leaves nothing to count."""

    index: int
    request_id: str
    attempt: int
    key_id: str
    action: Action
    counts: Counts | None
    reason: str
    others: OtherCounts = NO_OTHERS
    # How its usage says that the response was served, and the object itself where it says more than the counts.
    served: Served = AS_USUAL
    usage: bytes | None = None
    # Of usage that is read again: the hash of the object that was kept then, a point, and the last correction there was.
    read_from: str | None = None

    @property
    def is_reread(self) -> bool:
        """Whether it says what usage that was there before comes to now."""
        return self.read_from is not None

    def reads_another_than(self, kept_now: str | None) -> bool:
        """Whether what it was read from is not kept any more: then it changes nothing."""
        return self.read_from is not None and self.read_from.partition(".")[0] != kept_now

    def fingerprint(self) -> UUID:
        """What tells a retry of the same correction from another correction of the same event."""
        content = self._content()
        billed = self.served.billed
        return _hash(content if billed == AS_USUAL.billed else (*content, billed))

    def fingerprint_before_tiers(self) -> UUID:
        """The same as it was while a correction could change no tier. A retry of one from then is no other correction."""
        return _hash(self._content())

    def _content(self) -> tuple[object, ...]:
        content: tuple[object, ...] = (self.action, self.counts, self.reason)
        if self.others:
            content = (*content, self.others)
        return content if self.read_from is None else (*content, self.read_from)


def _hash(content: tuple[object, ...]) -> UUID:
    return UUID(bytes=blake2b(msgspec.msgpack.encode(content), digest_size=16).digest())


_sent = msgspec.json.Decoder(SentCorrection)


def read_correction(raw: bytes | memoryview, index: int, received_at: datetime) -> CanonicalCorrection:
    """The correction at position `index` of a batch. Raises Rejected."""
    try:
        sent = _sent.decode(raw)
    except UNREADABLE as error:
        raise unreadable(raw, str(error), "invalid_correction") from None
    try:
        check_usage_once(raw)
        counts, others, served, usage = _counted(sent, received_at)
        return CanonicalCorrection(
            index=index,
            request_id=storable(sent.request_id, "request_id"),
            attempt=sent.attempt or 0,
            key_id=storable(sent.key_id, "key_id"),
            action=sent.action,
            counts=counts,
            reason=redact(storable(sent.reason or "", "reason")),
            others=others,
            served=served,
            usage=usage,
            read_from=sent.read_from,
        )
    except Rejected as rejected:
        known = Known(sent.request_id, sent.attempt or 0, sent.key_id)
        raise Rejected(rejected.code, rejected.message, known, rejected.not_understood) from None


def _counted(sent: SentCorrection, received_at: datetime) -> tuple[Counts | None, OtherCounts, Served, bytes | None]:
    if sent.action == "void":
        if is_stated(sent.usage):
            raise Rejected("invalid_correction", "A void takes the event back whole: leave usage out, or send a replace.")
        return None, NO_OTHERS, AS_USUAL, None
    if not is_stated(sent.usage):
        raise Rejected("usage_missing", "A replace must carry the usage that is to count instead.")
    understood = understood_usage(sent.usage, sent.dialect, received_at)
    # The tier of the event is known later; that this one could not be stored is known now.
    tier_of(None, understood.served)
    return (*read_of(understood.counted), understood.served, kept_usage(sent.usage, sent.dialect, understood))
