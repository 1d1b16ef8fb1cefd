"""The usage of an event: what it counts, and by which tier it is billed. Every endpoint, and corrections, read it here."""

from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from metering.catalogue.models import LONGEST_TIER
from metering.catalogue.tiers import DEFAULT_TIER, normal_tier
from metering.components import NO_OTHERS, NOTHING, Counts, OtherCounts, read_of
from metering.ingest.formats.dialects.plain import PlainUsage, plain_counts
from metering.ingest.formats.dialects.served import AS_USUAL, Served, billed_tier
from metering.ingest.formats.dialects.shape import NotUnderstood, UsageRefused
from metering.ingest.formats.dialects.understand import Understood, understand
from metering.ingest.formats.rejected import Rejected, UnknownPaths
from metering.ingest.formats.repeated import REPEATED, plainly_repeats, repeated_name, stated_twice
from metering.ingest.models import compressed, decompressed
from metering.ingest.understanding.rules import rules_at

USAGE = b'"usage"'
NO_DIALECT = "-"  # before the usage of an event that named none
_plain = msgspec.json.Decoder(PlainUsage)


class UsageRead(NamedTuple):
    """What the usage of one event comes to, and the tier that it is billed by."""

    counts: Counts
    tier: str
    others: OtherCounts = NO_OTHERS
    # The object as it was sent, compressed, where it says more than the counts.
    usage: bytes | None = None


def _says_how_served(usage: PlainUsage) -> bool:
    """Whether it says so at all: what it says is as usual, which an event may contradict."""
    return usage.service_tier is not None or usage.speed is not None or usage.inference_geo is not None


class NotPlain(Exception):
    """An object that has to be read by its leaves."""


def read_plain(sent: Any) -> UsageRead:
    """Of an event whose usage was read as a plain one. Raises NotPlain, and Rejected where there is none."""
    usage, tier = sent.usage, sent.service_tier
    if usage is None:
        return UsageRead(_without_usage(sent.status), normal_tier(tier))
    counts = plain_counts(usage, sent.dialect)
    if counts is None or (tier is not None and _says_how_served(usage)):
        raise NotPlain
    # Every event makes one: its constructor would take three times as long.
    return tuple.__new__(UsageRead, (counts, DEFAULT_TIER if tier is None else normal_tier(tier), NO_OTHERS, None))


def read_usage(sent: Any, received_at: datetime) -> UsageRead:
    """Of an event whose usage is still raw, under the rules that held when it was received. Raises Rejected."""
    if not is_stated(sent.usage):
        return UsageRead(_without_usage(sent.status), normal_tier(sent.service_tier))
    understood = understood_usage(sent.usage, sent.dialect, received_at)
    tier = tier_of(sent.service_tier, understood.served)
    counts, others = read_of(understood.counted)
    return UsageRead(counts, tier, others, kept_usage(sent.usage, sent.dialect, understood))


def kept_usage(usage: msgspec.Raw, dialect: str | None, understood: Understood) -> bytes | None:
    """The object as it was sent, compressed, where it says more than the counts; behind the dialect that its event named."""
    return compressed((dialect or NO_DIALECT).encode() + bytes(usage).lstrip()) if understood.says_more else None


def opened_usage(kept: bytes) -> tuple[str | None, bytes]:
    """What was kept, as the dialect that its event named, and the object."""
    dialect, brace, rest = kept.partition(b"{")
    named = dialect.decode().strip()
    return named if named != NO_DIALECT and named else None, brace + rest


def tells_dialect(kept: bytes) -> bool:
    """Whether what was kept says which dialect its event named, or that it named none. What was kept first does not."""
    return not kept.lstrip().startswith(b"{")


def kept_hash(kept: bytes) -> str:
    """What tells one kept object, as it is stored, from another."""
    return sha256(decompressed(kept)).hexdigest()[:32]


def tier_of(stated: str | None, served: Served) -> str:
    """The tier that is billed, which may be put together from several texts. Raises Rejected."""
    try:
        tier = billed_tier(stated, served)
    except UsageRefused as refused:
        raise Rejected(refused.code, str(refused)) from None
    if len(tier) > LONGEST_TIER or "\x00" in tier:
        raise Rejected(
            "invalid_event",
            f"The usage names a service tier that is not 1 to {LONGEST_TIER} characters of text: {tier[:LONGEST_TIER]}.",
        )
    return tier


def understood_usage(usage: msgspec.Raw, dialect: str | None, received_at: datetime) -> Understood:
    """The one reading of a usage object that events and corrections have. Raises Rejected."""
    try:
        return _plainly(usage, dialect) or understand(usage, dialect, lambda: rules_at(received_at))
    except NotUnderstood as refused:
        unknown = UnknownPaths(refused.dialect, tuple(refused.paths))
        raise Rejected(refused.code, str(refused), not_understood=unknown) from None
    except UsageRefused as refused:
        raise Rejected(refused.code, str(refused)) from None


def _plainly(usage: msgspec.Raw, dialect: str | None) -> Understood | None:
    """The reading of a plain object, which is quicker; None for any other."""
    try:
        plain = _plain.decode(usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if plainly_repeats(bytes(usage), [plain]):
        return None
    counts = None if _says_how_served(plain) else plain_counts(plain, dialect)
    return None if counts is None else Understood(dialect or "", counts, AS_USUAL, False)


def check_usage_once(raw: bytes | memoryview) -> None:
    """Refuses an event or a correction that states its usage twice: all that reads it would see the last one alone."""
    stated = bytes(raw)
    if stated.count(USAGE) > 1 and (path := repeated_name(stated, "usage")) is not None:
        raise Rejected(REPEATED, stated_twice(path))


def is_stated(usage: msgspec.Raw | None) -> bool:
    """Whether there is a usage object: null is the same as leaving it out."""
    return usage is not None and bytes(usage) not in (b"", b"null")


def _without_usage(status: str | None) -> Counts:
    if status == "failed":
        return NOTHING
    raise Rejected(
        "usage_missing", f"A {status or 'succeeded'} event must carry its usage; only a failed one may leave it out."
    )
