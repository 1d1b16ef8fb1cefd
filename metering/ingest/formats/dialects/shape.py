"""What a dialect's file states, and the words in which all of them refuse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from metering.components import (
    BY_NAME,
    Component,
    Counts,
    Reading,
    misfit,
    new_counts,
    other_counts,
)
from metering.ingest.formats.dialects.leaves import Number, Usage

MAX_TOKENS = 2**31 - 1


class UsageRefused(Exception):
    """The counts cannot be billed as they stand; `code` says which way, the message why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotUnderstood(UsageRefused):
    """Numbers above zero of which nobody knows what they are. Nothing unknown is nothing: the event waits for a decision."""

    def __init__(self, dialect: str, paths: list[str]) -> None:
        named = ", ".join(f"usage.{path}" for path in paths[:MOST_NAMED])
        more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
        what = "is a number that is" if len(paths) == 1 else "are numbers that are"
        super().__init__("usage_not_understood", f"{named}{more} {what} not understood in {dialect}'s usage.")
        self.dialect = dialect
        self.paths = paths


MOST_NAMED = 10  # paths in a message


def inconsistent(what: str) -> UsageRefused:
    return UsageRefused("usage_inconsistent", f"The usage contradicts itself: {what}.")


def missing(field: str) -> UsageRefused:
    return UsageRefused("usage_missing", f"usage.{field} is missing.")


def wrong_kind(path: str, wanted: str, got: str) -> UsageRefused:
    """In the words of the decoder that refuses the other fields of an event."""
    return UsageRefused("invalid_event", f"Expected `{wanted}`, got `{got}` - at `$.usage.{path}`")


def bounded(tokens: int, what: str) -> int:
    if tokens > MAX_TOKENS:
        raise UsageRefused("usage_too_large", f"The usage adds up to {tokens} {what}, which is more than {MAX_TOKENS}.")
    return tokens


class Role(Enum):
    """What a number in a usage object is, beside one that is counted."""

    PART = "part of what another leaf counts"
    CHECK = "compared with what the others add up to"
    INFORMATION = "not what was used, such as a cost or a duration"


Meaning = Component | Role
PART, CHECK, INFORMATION = Role.PART, Role.CHECK, Role.INFORMATION
INPUT, OUTPUT, REASONING = BY_NAME["input"], BY_NAME["output"], BY_NAME["reasoning"]
CACHED_INPUT, CACHE_WRITE, CACHE_WRITE_1H = BY_NAME["cached_input"], BY_NAME["cache_write"], BY_NAME["cache_write_1h"]
AUDIO_INPUT, IMAGE_INPUT, VIDEO_INPUT = BY_NAME["audio_input"], BY_NAME["image_input"], BY_NAME["video_input"]
CACHED_AUDIO, CACHED_IMAGE = BY_NAME["cached_audio_input"], BY_NAME["cached_image_input"]
AUDIO_OUTPUT, IMAGE_OUTPUT = BY_NAME["audio_output"], BY_NAME["image_output"]
WEB_SEARCH, AUDIO_DURATION = BY_NAME["web_search"], BY_NAME["audio_duration"]
CITATION, SEARCH_UNIT, PAGE, IMAGE = (BY_NAME[name] for name in ("citation", "search_unit", "page", "image"))
CLASSIFICATION = BY_NAME["classification"]


def no_cost(usage: Usage) -> None:
    """Of a dialect that says nothing of what it charged."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider states usage.

    `leaves` says what each number is, by its path; of what it says is counted, `count` makes the reading. `recognises` says
    whether a usage object that names no dialect is this one. Both may raise UsageRefused. The dialect of the highest
    `precedence` is asked first: the shape that is more particular.
    """

    name: str
    recognises: Callable[[Usage], bool]
    count: Callable[[Usage], Counts | Reading]
    leaves: Mapping[str, Meaning]
    precedence: int = 0
    whole_floats: bool = False  # whether it writes whole numbers as 30.0
    stated_cost: Callable[[Usage], Number | None] = no_cost  # USD that it says it charged, for a cross-check
    objects: frozenset[str] = field(init=False)  # paths at which it has objects
    lists: frozenset[str] = field(init=False)  # and lists

    def __post_init__(self) -> None:
        objects: set[str] = set()
        lists: set[str] = set()
        for path in self.leaves:
            parts = path.split(".")
            for at in range(1, len(parts)):
                above = ".".join(parts[:at])
                (lists if above.endswith("]") else objects).add(above.partition("[")[0])
        object.__setattr__(self, "objects", frozenset(objects))
        object.__setattr__(self, "lists", frozenset(lists))


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


NO_NAMES = ("the input", "the output")


def tally(
    input: int,
    output: int,
    cached: int = 0,
    written: int = 0,
    reasoning: int = 0,
    names: tuple[str, str] = NO_NAMES,
    **others: int,
) -> Counts | Reading:
    """The counts, once it is seen that all of them can be so at the same time; `others` by the names of their components."""
    bounded(input, "input tokens")
    bounded(output, "output tokens")
    if cached + written > input:
        raise inconsistent(f"{cached} cached and {written} cache-write tokens do not fit into {names[0]} {input}")
    if reasoning > output:
        raise inconsistent(f"{reasoning} reasoning tokens do not fit into {names[1]} {output}")
    counts = new_counts(input, output, cached, written, reasoning)
    used = {name: quantity for name, quantity in others.items() if quantity}
    if not used:
        return counts
    negative = [f"{name} {quantity}" for name, quantity in used.items() if quantity < 0]
    if negative:
        raise inconsistent(f"its parts are more than their whole: {', '.join(negative)}")
    return reading(counts, used)


def check_total(usage: Usage, path: str, parts: str, *sums: int) -> None:
    """The total, where one is stated, is what the parts add up to: the first sum, or another way. Raises UsageRefused."""
    total = usage.get(path)
    if total is not None and total not in sums:
        raise inconsistent(f"{path} is {total}, but {parts} add up to {sums[0]}")


def check_modalities(usage: Usage, prefix: str, whole: int) -> None:
    """The modalities at that path are all of it, where text is among them, and never more. Raises UsageRefused."""
    parts = sum(usage.of(f"{prefix}{modality}_tokens") for modality in ("text", "audio", "image"))
    if parts > whole or (parts != whole and usage.states(f"{prefix}text_tokens")):
        raise inconsistent(f"the modalities in {prefix.rstrip('.')} add up to {parts}, not to {whole}")


def check_parts(usage: Usage, prefix: str, whole: int, *beside: int) -> None:
    """Where text is among the modalities at a path, they are all of the whole, or all without some of what may be `beside`.

    Raises UsageRefused. Some say 0 of text where they say nothing of it.
    """
    text = usage.of(f"{prefix}text_tokens")
    parts = text + sum(usage.of(f"{prefix}{kind}_tokens") for kind in ("audio", "image", "video"))
    sums = {whole}
    for count in beside:
        sums |= {each - count for each in sums}
    if parts > whole or (text and parts not in sums):
        raise inconsistent(f"the modalities in {prefix.rstrip('.')} add up to {parts}, not to {whole}")


def agreed(usage: Usage, *paths: str) -> int | None:
    """One count that an object may state under several names. Raises UsageRefused where they differ."""
    found, at = None, ""
    for path in paths:
        count = usage.get(path)
        if count is None:
            continue
        if found is not None and count != found:
            raise inconsistent(f"{at} {found} and {path} {count} differ")
        found, at = count, path
    return found
