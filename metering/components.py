"""What is counted and priced, in one list: the components of a response, with their columns, order and words.

Whatever counts, rates, bills, prints or explains iterates this list. reconcile and the tests keep the rule in words of their
own, to be a second opinion. docs/architecture.md says what to touch to add one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Component:
    """One kind of what a response uses.

    What it is a `part_of` counts it too: that one is billed without it, so that nothing is billed twice. Where a price version
    has no rate of its own for it, it costs the rate of its `fallback`; without a fallback, every version has one.
    """

    name: str  # in the API, in exports and on invoice lines
    label: str  # within a sentence
    heading: str  # over a narrow column
    plural: str  # what is counted
    quantity: str  # its column in events and rollups
    rate: str = ""  # its column in price versions; empty: it is counted, and billed only as a part of another
    part_of: str = ""
    fallback: str = ""
    unit: str = "token"

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
BY_NAME = {each.name: each for each in COUNTED}
NAMES = tuple(each.name for each in COMPONENTS)
QUANTITIES = tuple(each.quantity for each in COUNTED)


class Counts(NamedTuple):
    """The quantities of one response, in the order of COUNTED: each includes those that are a part of it."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    reasoning: int


NOTHING = Counts(0, 0, 0, 0, 0)


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


def billed_sql(component: Component, column: str = "{}") -> str:
    """The same of one component, in SQL. `column` writes a column: {} is its name, {at} its place in an array of Counts."""
    columns = (each.quantity for each in (component, *priced_parts(component)))
    return " - ".join(column.format(name, at=QUANTITIES.index(name) + 1) for name in columns)


def full_rates(own: Mapping[str, Decimal | None]) -> dict[str, Decimal]:
    """The rate of every component, from those that a version has of its own; USD per million."""
    return {each.name: _rate_of(each, own) for each in COMPONENTS}


def _rate_of(component: Component, own: Mapping[str, Decimal | None]) -> Decimal:
    rate = own[component.name]
    return _rate_of(BY_NAME[component.fallback], own) if rate is None else rate


def own_rates(version: Any) -> dict[str, Decimal | None]:
    """The rates that a price version has of its own, by component; USD per million."""
    return {each.name: getattr(version, each.rate) for each in COMPONENTS}


def rates_per_million(version: Any) -> dict[str, Decimal]:
    """The rate of every component under a price version, in their order; USD per million."""
    return full_rates(own_rates(version))
