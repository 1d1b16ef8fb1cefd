"""What is counted and priced, in one list: the components of a response, with their columns, order and words.

Whatever counts, rates, bills, prints or explains iterates this list. reconcile and the tests keep the rule in words of their
own, to be a second opinion. docs/architecture.md says what to touch to add one.

Five are in nearly every response and have columns: COUNTED. The others have a row for each event that used them, and their
rates stand in one column of the price version: OPEN. All of them are one tree: what a component is a `part_of` counts it too,
and parts of one whole never count the same twice. docs/decisions/0038-components-as-an-open-list.md gives the reasons.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from metering.money import ONE_MICRO, PICO_PLACES, WIDE

MICRO_PLACES = 6


@dataclass(frozen=True, slots=True)
class Component:
    """One kind of what a response uses.

    What it is a `part_of` counts it too: that one is billed without it, so that nothing is billed twice. Where a price version
    has no rate of its own for it, it costs the rate of its `fallback`. Without a fallback, a response that used it is unpriced,
    or where it is `free_without_rate` it costs nothing.

    A quantity is a whole number of the smallest unit that is counted, and a rate is for `per` of them, with as many decimals
    as keep every cost a whole number of pico-dollars.
    """

    name: str  # in the API, in exports and on invoice lines
    label: str  # within a sentence
    heading: str  # over a narrow column
    plural: str  # what is counted
    quantity: str = ""  # its column in events and rollups; empty: each event that used it has a row
    rate: str = ""  # its column in price versions; empty: its rate is one of the open ones
    part_of: str = ""
    fallback: str = ""
    unit: str = "token"
    per: int = 1_000_000
    per_label: str = "1M tokens"  # what a rate is for, as people write it
    free_without_rate: bool = False
    variants: bool = False  # whether it has some: image/high/1024x1024 is a part of image

    @property
    def is_tokens(self) -> bool:
        return self.unit == "token"

    def quantity_text(self, quantity: int) -> str:
        """As people read it: tokens as a number alone, and what else is counted with its unit: 1,234 ms, 1 search."""
        return f"{quantity:,}" if self.is_tokens else f"{quantity:,} {self.unit if abs(quantity) == 1 else self.units}"

    @property
    def units(self) -> str:
        if self.unit == "ms":
            return self.unit
        return f"{self.unit}es" if self.unit.endswith("ch") else f"{self.unit}s"

    @property
    def decimals(self) -> int:
        """Of a rate in USD: with more, a cost would be no whole number of pico-dollars."""
        return PICO_PLACES - (len(str(self.per)) - 1)

    def per_million(self, rate: Decimal) -> Decimal:
        """A rate as people state it, for a million of the smallest unit: like that every rate has six decimals."""
        return rate.scaleb(self.decimals - MICRO_PLACES, WIDE)

    def stated_rate(self, per_million: Decimal) -> Decimal:
        """The other way, with all its decimals."""
        return per_million.quantize(ONE_MICRO, context=WIDE).scaleb(MICRO_PLACES - self.decimals, WIDE)

    def rate_text(self, per_million: Decimal | None) -> str | None:
        """That, as the API prints it: `"0.010000000000"` for a search."""
        return None if per_million is None else f"{self.stated_rate(per_million):f}"

    @property
    def title(self) -> str:
        """At the beginning of a line: Cached input."""
        return self.label.capitalize()

    @property
    def fallback_label(self) -> str:
        """Whose rate it costs where it has none of its own."""
        return BY_NAME[self.fallback].label if self.fallback else ""


# In the order of columns, of lines and of the API.
COUNTED = (
    Component("input", "input", "input", "input tokens", "input_tokens", "input_rate"),
    Component(
        "cached_input",
        "cached input",
        "cached",
        "cached tokens",
        "cached_input_tokens",
        "cached_input_rate",
        part_of="input",
        fallback="input",
    ),
    Component(
        "cache_write",
        "cache write",
        "write",
        "cache writes",
        "cache_write_tokens",
        "cache_write_rate",
        part_of="input",
        fallback="input",
    ),
    Component("output", "output", "output", "output tokens", "output_tokens", "output_rate"),
    Component("reasoning", "reasoning", "reasoning", "reasoning tokens", "reasoning_tokens", part_of="output"),
)
COMPONENTS = tuple(each for each in COUNTED if each.rate)
NAMES = tuple(each.name for each in COMPONENTS)
QUANTITIES = tuple(each.quantity for each in COUNTED)

REQUEST = "request"  # each response is one, which no row of its own says


def _tokens(name: str, part_of: str = "") -> Component:
    label = name.replace("_", " ")
    return Component(name, label, label, f"{label} tokens", part_of=part_of, fallback=part_of)


def _single(name: str, label: str, plural: str, unit: str, **more: Any) -> Component:
    """What is counted one by one, beside all tokens."""
    stated: dict[str, Any] = {"unit": unit, "per": 1, "per_label": unit, "variants": True} | more
    return Component(name, label, label, plural, **stated)


# What the others are, in the order of lines and of the API: parts of tokens first, in the order of their wholes.
OTHERS = (
    _tokens("audio_input", "input"),
    _tokens("image_input", "input"),
    _tokens("video_input", "input"),
    _tokens("cached_audio_input", "cached_input"),
    _tokens("cached_image_input", "cached_input"),
    replace(
        _tokens("cache_write_1h", "cache_write"), label="1-hour cache write", heading="1h write", plural="1-hour cache writes"
    ),
    _tokens("audio_output", "output"),
    _tokens("image_output", "output"),
    _single(REQUEST, "request", "requests", "request", quantity="requests", free_without_rate=True),
    _single("web_search", "web search", "web searches", "search"),
    _single("file_search_call", "file search call", "file search calls", "call"),
    _single("code_interpreter_session", "code interpreter session", "code interpreter sessions", "session"),
    _single("image", "generated image", "generated images", "image"),
    _single("audio_duration", "audio", "milliseconds of audio", "ms", per=1000, per_label="second"),
    _single("video_duration", "video", "milliseconds of video", "ms", per=1000, per_label="second"),
    _single("page", "page", "pages", "page"),
    _single("search_unit", "search unit", "search units", "search unit"),
    _single("classification", "classification", "classifications", "classification"),
    _single("character", "characters", "characters", "character", per=1_000_000, per_label="1M characters", variants=False),
    replace(_tokens("citation"), label="citation", heading="citations", plural="citation tokens"),
)
# Those whose rates are open: what has a column of its quantity, and no column of its rate, is one of them.
OPEN = (*(each for each in COUNTED if not each.rate), *OTHERS)
LISTED = (*COUNTED, *OTHERS)
BY_NAME = {each.name: each for each in LISTED}
LONGEST_NAME = 64  # characters of a component's name
_VARIANT = re.compile(r"([a-z0-9_]+)((?:/[a-z0-9][a-z0-9._-]*){1,3})", re.ASCII)


@lru_cache(maxsize=1024)
def component_named(name: str) -> Component:
    """Of the list, or a variant such as image/high/1024x1024, which is a part of image. Raises KeyError."""
    known = BY_NAME.get(name)
    if known is not None:
        return known
    match = _VARIANT.fullmatch(name)
    whole = BY_NAME.get(match[1]) if match and len(name) <= LONGEST_NAME else None
    if match is None or whole is None or not whole.variants:
        raise KeyError(name)
    label = f"{whole.label} ({', '.join(match[2][1:].split('/'))})"
    variant = replace(whole, name=name, label=label, heading=label, quantity="", part_of=whole.name, fallback=whole.name)
    return replace(variant, variants=False, free_without_rate=False)


def sorted_components(names: Iterable[str]) -> list[str]:
    """Names of components in the order of the list; variants after what they are a part of, by name."""
    return sorted(names, key=place_of)


_places = {each.name: at for at, each in enumerate(LISTED)}


def with_wholes(name: str) -> list[str]:
    """A component, what it is a part of, what that is a part of."""
    found = [name]
    while whole := component_named(found[-1]).part_of:
        found.append(whole)
    return found


def place_of(name: str) -> tuple[int, str]:
    """Where a component stands in the list."""
    return _places[name if name in _places else component_named(name).part_of], name


class Counts(NamedTuple):
    """The quantities of one response, in the order of COUNTED: each includes those that are a part of it."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    reasoning: int


NOTHING = Counts(0, 0, 0, 0, 0)

# Names of other components and how much of each, above 0, in the order of the list. Each includes those that are a part of it.
OtherCounts = tuple[tuple[str, int], ...]
NO_OTHERS: OtherCounts = ()


class Reading(NamedTuple):
    """What a response used, where it used more than Counts can say."""

    counts: Counts
    others: OtherCounts = NO_OTHERS


def read_of(counted: Counts | Reading) -> Reading:
    """Either as a Reading."""
    return counted if isinstance(counted, Reading) else Reading(counted)


def other_counts(quantities: Mapping[str, int]) -> OtherCounts:
    """Quantities by name in their order, without those that are 0. Raises KeyError for a name that is none of them.

    What is stated by its variants alone is their sum.
    """
    stated = dict(quantities)
    for name, quantity in quantities.items():
        component = component_named(name)
        if component.quantity:
            raise KeyError(name)
        if is_variant(component) and component.part_of not in quantities and component.part_of != REQUEST:
            stated[component.part_of] = stated.get(component.part_of, 0) + quantity
    return tuple((name, stated[name]) for name in sorted_components(stated) if stated[name])


def stored_others(column: str | Mapping[str, int] | None) -> OtherCounts:
    """Of the column that they stand in, null where there are none; a statement of our own reads its text."""
    if column is None:
        return NO_OTHERS
    quantities = json.loads(column) if isinstance(column, str) else column
    return tuple((name, quantities[name]) for name in sorted_components(quantities))


def is_variant(component: Component) -> bool:
    return "/" in component.name


def misfit(counts: Counts, others: OtherCounts) -> str:
    """Why these quantities cannot all be so, in words; empty where they can: parts must fit into their whole together."""
    quantities = counts._asdict() | {REQUEST: 1} | dict(others)
    parts: dict[str, int] = {}
    for name, quantity in others:
        whole = component_named(name).part_of
        parts[whole] = parts.get(whole, 0) + quantity
    for whole in sorted_components(parts.keys() - {""}):
        within = sum(quantities[each.name] for each in COUNTED if each.part_of == whole)
        if parts[whole] + within > quantities.get(whole, 0):
            named = ", ".join(f"{name} {quantity}" for name, quantity in others if component_named(name).part_of == whole)
            beside = f" beside {within} in its other parts" if within else ""
            return f"{named} do not fit into {whole} {quantities.get(whole, 0)}{beside}"
    return ""


def new_counts(input: int, output: int, cached_input: int = 0, cache_write: int = 0, reasoning: int = 0) -> Counts:
    """Counts in less time than their constructor takes, for every event makes one; what is not counted is 0."""
    return tuple.__new__(Counts, (input, cached_input, cache_write, output, reasoning))


def priced_parts(component: Component) -> tuple[Component, ...]:
    """The components that its quantity includes and that are billed by themselves."""
    return tuple(each for each in COMPONENTS if each.part_of == component.name)


def billed_quantities(counted: Any) -> dict[str, int]:
    """By component, in their order, what is billed of a row with the columns of QUANTITIES: no token is in two of them."""
    return {
        each.name: getattr(counted, each.quantity) - sum(getattr(counted, part.quantity) for part in priced_parts(each))
        for each in COMPONENTS
    }


def full_rates(own: Mapping[str, Decimal | None]) -> dict[str, Decimal]:
    """The rate of each that has a column, from those that a version has of its own; USD per million."""
    return {each.name: _rate_of(each, own) for each in COMPONENTS}


def _rate_of(component: Component, own: Mapping[str, Decimal | None]) -> Decimal:
    rate = own[component.name]
    return _rate_of(BY_NAME[component.fallback], own) if rate is None else rate


# Of what kind the cached part of each is.
KIND_OF_CACHED = {"cached_audio_input": "audio_input", "cached_image_input": "image_input"}


def with_cached_kinds(rates: Mapping[str, Decimal | None]) -> dict[str, Decimal | None]:
    """Rates by component, None for one that there is none of, with those that cached parts of audio and images need.

    Where there is no rate of cached input, what is cached costs what it would cost uncached: text the input rate, and so audio
    that of audio. Where there is one, cached audio without a rate of its own is cached input as any other.
    """
    if rates.get("cached_input") is not None:
        return dict(rates)
    needed = {cached: rates.get(kind) for cached, kind in KIND_OF_CACHED.items() if rates.get(cached) is None}
    return {**rates, **{cached: rate for cached, rate in needed.items() if rate is not None}}


def own_rates(version: Any) -> dict[str, Decimal | None]:
    """The rates that a price version has of its own, by component; USD per million."""
    return {each.name: getattr(version, each.rate) for each in COMPONENTS}


def rates_per_million(version: Any) -> dict[str, Decimal]:
    """Every rate of a price version: those that all have, in their order, and the open ones of this one; USD per million."""
    return full_rates(own_rates(version)) | open_rates(version)


def open_rates(version: Any) -> dict[str, Decimal]:
    """Those that have no column, in the order of the list; USD per million."""
    return per_million(version.open_rates)


def per_million(stated: str | Mapping[str, str]) -> dict[str, Decimal]:
    """Rates as a version has them of components without a column; a statement of our own reads their text."""
    rates: Mapping[str, str] = json.loads(stated) if isinstance(stated, str) else stated
    return {name: component_named(name).per_million(Decimal(rates[name])) for name in sorted_components(rates)}
