"""Names that an object of usage states twice. Decoders take the last one silently, and which one counts nobody can tell.

Looking for them costs as much as reading does. So they are looked for only where a count shows that there may be some: each
name in JSON is followed by a colon, and an object that has no more colons than names repeats none of them.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from metering.ingest.formats.dialects.leaves import in_path
from metering.ingest.formats.dialects.plain import PlainUsage

REPEATED = "usage_name_repeated"
# How the names of all counts that a plain object may have end. What else it may have is zero or as usual each time.
COUNTS = b'_tokens"'
_encode = msgspec.json.Encoder().encode


class AsWritten(dict[str, Any]):
    """An object that repeats names. What encodes it again writes all that stood in it, so that they are found afterwards."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def items(self) -> Any:
        return self.pairs

    def with_values(self, replaced: dict[str, Any]) -> "AsWritten":
        """With other values under names that it has."""
        return AsWritten([(name, replaced.get(name, value)) for name, value in self.pairs])


def as_written(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For Python's decoder, as its `object_pairs_hook`."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else AsWritten(pairs)


def loads_as_written(text: str, object_hook: Callable[[dict[str, Any]], Any]) -> Any:
    """JSON with a hook for its objects, as Celery reads it, but that no name is lost of an object that repeats one."""

    def written(pairs: list[tuple[str, Any]]) -> Any:
        found = as_written(pairs)
        return found if isinstance(found, AsWritten) else object_hook(found)

    return json.loads(text, object_pairs_hook=written)


def with_values(written: dict[str, Any], replaced: dict[str, Any]) -> dict[str, Any]:
    """An object with other values under names that it has, each as often as it stood there."""
    return written.with_values(replaced) if isinstance(written, AsWritten) else written | replaced


def stated_twice(path: str) -> str:
    return f"{path} is stated more than once, and only one of them can be right: state it once."


def may_repeat(stated: bytes, decoded: Any) -> bool:
    """Whether JSON, of which this was decoded, may repeat a name."""
    return stated.count(b":") != _names_in(decoded)


def plainly_repeats(stated: bytes, read: Sequence[PlainUsage | None]) -> bool:
    """Whether JSON that holds these plain objects may state a count of them twice; what it states as null it leaves out."""
    counts = sum(usage is not None for usage in read) and _encode(read).count(COUNTS)
    return stated.count(COUNTS) != counts and _stated_counts(stated) != counts


def _stated_counts(stated: bytes) -> int:
    return stated.count(COUNTS) - sum(stated.count(COUNTS + null) for null in (b":null", b": null"))


def repeated_name(stated: bytes, *at: str) -> str | None:
    """The path of a name that stands twice on the way to the object `at` there, or anywhere in it; None where there is none.

    What follows null is no second one: null is the same as leaving it out. Raises ValueError, RecursionError.
    """
    return _first(json.loads(stated, object_pairs_hook=_Pairs, parse_int=str, parse_float=str), at, "")


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written."""


def _first(value: Any, at: Sequence[str], path: str) -> str | None:
    if isinstance(value, _Pairs):
        return _in_object(value, at, path)
    if isinstance(value, list) and not at:
        found = (_first(each, at, f"{path}[]") for each in value)
        return next((each for each in found if each is not None), None)
    return None


def _in_object(pairs: _Pairs, at: Sequence[str], path: str) -> str | None:
    stated = set()
    for name, value in pairs:
        if at and name != at[0]:
            continue
        here = f"{path}.{in_path(name)}" if path else in_path(name)
        if name in stated:
            return here
        if value is not None:
            stated.add(name)
        found = _first(value, at[1:], here)
        if found is not None:
            return found
    return None


def _names_in(decoded: Any) -> int:
    if isinstance(decoded, dict):
        return len(decoded) + sum(map(_names_in, decoded.values()))
    return sum(map(_names_in, decoded)) if isinstance(decoded, list) else 0
