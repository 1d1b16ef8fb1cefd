"""What a dialect's file states, and the words in which all of them refuse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import msgspec

from metering.components import BY_NAME, Component, Counts, Reading, misfit, other_counts

MAX_TOKENS = 2**31 - 1
Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]


class UsageRefused(Exception):
    """The counts cannot be billed as they stand; `code` says which way, the message why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def inconsistent(what: str) -> UsageRefused:
    return UsageRefused("usage_inconsistent", f"The usage contradicts itself: {what}.")


def missing(field: str) -> UsageRefused:
    return UsageRefused("usage_missing", f"usage.{field} is missing.")


def bounded(tokens: int, what: str) -> int:
    if tokens > MAX_TOKENS:
        raise UsageRefused("usage_too_large", f"The usage adds up to {tokens} {what}, which is more than {MAX_TOKENS}.")
    return tokens


def reading(counts: Counts, others: Mapping[str, int]) -> Counts | Reading:
    """What a dialect's `count` answers where it found more than Counts can say: other components by name, of which 0 is none.

    Each includes those that are a part of it. Variants that stand alone are added up. Raises UsageRefused where parts do not
    fit into their whole, and KeyError for a name that is no component.
    """
    found = other_counts(others)
    if not found:
        return counts
    for name, quantity in found:
        bounded(quantity, name)
    if why := misfit(counts, found):
        raise inconsistent(why)
    return Reading(counts, found)


class Role(Enum):
    """What a number in a usage object is, beside one that is counted."""

    PART = "part of what another leaf counts"
    CHECK = "compared with what the others add up to"
    INFORMATION = "not what was used, such as a cost or a duration"


Meaning = Component | Role
INPUT, OUTPUT, REASONING = BY_NAME["input"], BY_NAME["output"], BY_NAME["reasoning"]
CACHED_INPUT, CACHE_WRITE = BY_NAME["cached_input"], BY_NAME["cache_write"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider states usage.

    `usage` declares the fields that are read. `recognises` says whether a usage object that names no dialect is this one, and
    `count` what it comes to, as Counts or, where other components were used, by `reading`; both may raise UsageRefused. The
    dialect of the highest `precedence` is asked first: the shape that is more particular. `leaves` says what each number is, by
    its path: of all that is read, and of what else is known.
    """

    name: str
    usage: type[msgspec.Struct]
    recognises: Callable[[Any], bool]
    count: Callable[[Any], Counts | Reading]
    leaves: Mapping[str, Meaning]
    precedence: int = 0
