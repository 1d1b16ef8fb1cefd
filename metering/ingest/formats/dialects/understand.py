"""One reading of a usage object, whichever way it came: what it counts, by which dialect, and what else it says of the price.

Every number above zero must be known to the dialect, or to a rule that an operator made of its path. One that is neither is
never taken for nothing: the event is refused, and waits with its path for a decision.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from metering.components import Counts, Reading, read_of
from metering.ingest.formats.dialects.leaves import (
    LONGEST_PATH,
    Implausible,
    Number,
    Usage,
    added_up,
    is_number_above_zero,
    number_of,
)
from metering.ingest.formats.dialects.registry import DialectName, dialect_of
from metering.ingest.formats.dialects.served import Served, check_served, served_as_stated
from metering.ingest.formats.dialects.shape import (
    AUDIO_DURATION,
    INFORMATION,
    MAX_TOKENS,
    NO_NAMES,
    PART,
    Dialect,
    NotUnderstood,
    UsageRefused,
    inconsistent,
    tally,
    wrong_kind,
)
from metering.ingest.formats.repeated import REPEATED, may_repeat, repeated_name, stated_twice

# By (dialect, path): the component that a number is, or "" where it is part of something counted, or only informational.
Rules = Mapping[tuple[str, str], str]
NO_RULES: Rules = {}
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
DURATIONS = ("seconds", "prompt_audio_seconds")  # which may have a fraction


class Understood(NamedTuple):
    """What a usage object comes to."""

    dialect: str
    counted: Counts | Reading
    served: Served
    # Whether it holds more than the counts say, so that it is worth keeping.
    says_more: bool


def understand(stated: bytes | msgspec.Raw, named: DialectName | None, rules: Callable[[], Rules]) -> Understood:
    """The reading of a usage object in JSON. Raises UsageRefused, and NotUnderstood among those.

    `rules` are asked for where something is not understood without them.
    """
    usage = leaves_of(stated)
    dialect = dialect_of(usage, named)
    unknown = _check_leaves(usage, dialect)
    usage.asked.clear()  # what was looked at to tell the shape
    try:
        counted = dialect.count(usage)
    except UsageRefused as refused:
        # An object without the counts that the dialect has is of another one, whatever else is in it.
        if refused.code != "usage_missing":
            _ruled(dialect, unknown, rules)
        raise
    ruled = _ruled(dialect, unknown + _uncounted(usage, dialect), rules)
    if ruled:
        counted = _with_rules(counted, ruled, usage)
    return Understood(dialect.name, counted, served_as_stated(usage.texts), bool(ruled) or _says_more(usage, dialect))


def count_known(stated: bytes | msgspec.Raw, named: DialectName | None) -> tuple[Counts | Reading, Served]:
    """What can be counted of it whatever else it holds, for an estimate. Raises UsageRefused."""
    usage = leaves_of(stated)
    dialect = dialect_of(usage, named)
    _check_leaves(usage, dialect)
    return dialect.count(usage), served_as_stated(usage.texts)


def stated_cost(stated: bytes, named: DialectName | None) -> Decimal | None:
    """USD that the provider says it charged; None where it says nothing of it. Raises UsageRefused."""
    usage = leaves_of(stated)
    cost = dialect_of(usage, named).stated_cost(usage)
    return None if cost is None else Decimal(cost)


def leaves_of(stated: bytes | msgspec.Raw) -> Usage:
    try:
        decoded = _decode(stated)
        if may_repeat(bytes(stated), decoded) and (path := repeated_name(bytes(stated))) is not None:
            raise UsageRefused(REPEATED, stated_twice(f"usage.{path}"))
        return Usage(decoded)
    except msgspec.ValidationError as error:
        raise UsageRefused("invalid_event", str(error).replace("`$`", "`$.usage`")) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # What reads an event passes over its usage, and so over a text in it that is none.
        raise UsageRefused("invalid_event", f"usage cannot be read: {error}.") from None
    except Implausible as error:
        raise UsageRefused("invalid_event", str(error)) from None


def rule_path(path: str) -> str:
    """A path as rules name it. One that is longer than a rule can hold ends in a hash, so that no other one has the same."""
    if len(path) <= LONGEST_PATH:
        return path
    mark = f"~{sha256(path.encode()).hexdigest()[:16]}"
    return path[: LONGEST_PATH - len(mark)] + mark


def _check_leaves(usage: Usage, dialect: Dialect) -> list[str]:
    """The paths of numbers above zero that the dialect does not know. Raises UsageRefused where a count is none."""
    check_served(usage)
    unknown = []
    leaves = dialect.leaves
    for path, number in usage.numbers.items():
        meaning = leaves.get(path)
        if meaning is None:
            if number:
                unknown.append(path)
        elif meaning is not INFORMATION:
            _check_number(usage, path, number, meaning is AUDIO_DURATION or dialect.whole_floats)
    for path, text in usage.texts.items():
        if path in leaves and leaves[path] is not INFORMATION:
            raise wrong_kind(path, "int | null", "str")
        if path in dialect.objects:
            raise wrong_kind(path, "object | null", "str")
        if path not in leaves and is_number_above_zero(text):
            unknown.append(path)
    for path in usage.flags:
        if path in leaves and leaves[path] is not INFORMATION:
            raise wrong_kind(path, "int | null", "bool")
    for path in usage.lists - dialect.lists:
        if path in leaves:
            raise wrong_kind(path, "int | null", "array")
        if path in dialect.objects:
            raise inconsistent(f"{path} is a list, which {dialect.name}'s usage does not have")
    return sorted({*unknown})  # a list may hold a number and a text that is one


def _check_number(usage: Usage, path: str, number: Number, fraction: bool) -> None:
    """Makes a whole number of one that is written with a fraction, where the dialect does so."""
    if isinstance(number, Decimal) and not fraction:
        raise wrong_kind(path, "int | null", "float")
    if number < 0:
        raise UsageRefused("invalid_event", f"Expected `int` >= 0 - at `$.usage.{path}`")
    if number > MAX_TOKENS:
        raise UsageRefused("invalid_event", f"Expected `int` <= {MAX_TOKENS} - at `$.usage.{path}`")
    if isinstance(number, Decimal):
        if number == int(number):
            usage.numbers[path] = int(number)
        elif path not in DURATIONS:
            raise wrong_kind(path, "int | null", "float")


def _uncounted(usage: Usage, dialect: Dialect) -> list[str]:
    """What a dialect says it counts or compares, and did not look at in an object like this one."""
    return [
        path
        for path, number in usage.numbers.items()
        if number and path not in usage.asked and dialect.leaves.get(path, PART) not in (PART, INFORMATION)
    ]


def _ruled(dialect: Dialect, paths: list[str], rules: Callable[[], Rules]) -> dict[str, str]:
    """What operators said that these numbers are. Raises NotUnderstood with those of which they said nothing."""
    if not paths:
        return {}
    made = rules()
    left = sorted(path for path in map(rule_path, paths) if (dialect.name, path) not in made)
    if left:
        raise NotUnderstood(dialect.name, left)
    return {path: made[dialect.name, rule_path(path)] for path in paths}


def _with_rules(counted: Counts | Reading, ruled: Mapping[str, str], usage: Usage) -> Counts | Reading:
    """The counts with what operators said that numbers are. A component with a whole is inside it, as everywhere."""
    counts, others = read_of(counted)
    quantities, more = counts._asdict(), dict(others)
    for path, component in ruled.items():
        if not component:
            continue
        text = number_of(usage.texts.get(path, ""))
        number = _whole(usage.numbers[path] if text is None else added_up(usage.numbers.get(path), text))
        if number is None or number < 0:
            raise wrong_kind(path, "int | null", "float")
        into = quantities if component in quantities else more
        into[component] = into.get(component, 0) + number
    input, output = quantities["input"], quantities["output"]
    cached, written = quantities["cached_input"], quantities["cache_write"]
    return tally(input, output, cached, written, quantities["reasoning"], NO_NAMES, **more)


def _whole(number: Number) -> int | None:
    """A whole number, also where it is written with a fraction of zero; None where it is none."""
    return int(number) if number == int(number) else None


def _says_more(usage: Usage, dialect: Dialect) -> bool:
    return any(number and dialect.leaves.get(path) in (PART, INFORMATION) for path, number in usage.numbers.items())
