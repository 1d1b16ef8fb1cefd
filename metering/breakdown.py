"""What of quantities is billed as which component, under the rates of one price version.

A component with a rate of its own is billed by itself, and what it is a part of is billed without it. One without costs what
its whole costs, within it. The four whose rates have columns are always billed by themselves.
"""

from collections.abc import Collection, Container, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from metering.components import (
    BY_NAME,
    COMPONENTS,
    COUNTED,
    MICRO_PLACES,
    NAMES,
    QUANTITIES,
    REQUEST,
    Component,
    Counts,
    OtherCounts,
    component_named,
    priced_parts,
    sorted_components,
)
from metering.money import WIDE


def all_quantities(counts: Counts, others: OtherCounts, requests: int = 1) -> dict[str, int]:
    """Of one response, or of a sum of some: by component, each including its parts."""
    return counts._asdict() | {REQUEST: requests} | dict(others)


def pico_rates(rates: Mapping[str, Decimal]) -> dict[str, int]:
    """Pico-dollars for one of the smallest unit: whole numbers, because rates per million of them have six decimals."""
    return {name: int(rate.scaleb(MICRO_PLACES, WIDE)) for name, rate in rates.items()}


def is_billed_alone(component: Component, rates: Container[str]) -> bool:
    """What no rate covers and nothing includes is as well: where some of it was used, the response has no price."""
    return component.name in rates or bool(component.rate) or not (component.part_of or component.free_without_rate)


def billed_within(component: Component, rates: Container[str]) -> str:
    """The name of what it would be billed as a part of, if it were not billed alone; empty where of nothing."""
    whole = component.part_of
    while whole and not is_billed_alone(BY_NAME[whole], rates):
        whole = BY_NAME[whole].part_of
    return whole


def billed_alone(quantities: Mapping[str, int], rates: Container[str]) -> dict[str, int]:
    """How much of each component is billed by itself, in the order of the list; nothing is in two of them."""
    named = [component_named(name) for name in sorted_components(quantities)]
    alone = {each.name: quantities[each.name] for each in named if is_billed_alone(each, rates)}
    for each in named:
        if each.name in alone and (whole := billed_within(each, rates)):
            alone[whole] -= quantities[each.name]
    return alone


_PLAIN = [
    (each.name, Counts._fields.index(each.name), [Counts._fields.index(part.name) for part in priced_parts(each)])
    for each in COMPONENTS
]


def billed_of(counts: Counts, others: OtherCounts, requests: int, rates: Collection[str]) -> dict[str, int]:
    """The same of counts; of plain ones, under a version with the common rates alone, in less time."""
    if others or len(rates) > len(NAMES):
        return billed_alone(all_quantities(counts, others, requests), rates)
    return {name: counts[at] - sum(counts[part] for part in parts) for name, at, parts in _PLAIN}


def displaced_by(name: str, rates: Iterable[str]) -> list[str]:
    """The components that are billed without being billed as this one, which counts them too, in the order of the list."""
    rates = {*NAMES, *rates}
    return [each for each in sorted_components(rates) if billed_within(component_named(each), rates) == name]


def billed_sql(
    component: Component, column: str = "{}", rates: Iterable[str] = NAMES, others: str = "others", requests: str = "1"
) -> str:
    """What is billed as this component, in SQL, under a version with these rates.

    `column` writes a column: {} is its name, {at} its place in an array of Counts. `others` is the column of other components,
    and `requests` how many responses it is about. Only names of components go into the text.
    """
    return " - ".join(
        _quantity_sql(name, column, others, requests) for name in (component.name, *displaced_by(component.name, rates))
    )


def _quantity_sql(name: str, column: str, others: str, requests: str) -> str:
    component = component_named(name)
    if component in COUNTED:
        return column.format(component.quantity, at=QUANTITIES.index(component.quantity) + 1)
    return requests if name == REQUEST else f"coalesce(({others} ->> '{name}')::bigint, 0)"


class BilledPart(NamedTuple):
    """So much of a component, and USD for a million of it: None where no rate covers it."""

    component: str
    quantity: int
    rate: Decimal | None


def breakdown(quantities: Mapping[str, int], rates: Mapping[str, Decimal]) -> list[BilledPart]:
    """The parts that quantities are billed in. Of what has no rate only what was used."""
    parts = [BilledPart(name, quantity, rates.get(name)) for name, quantity in billed_alone(quantities, rates).items()]
    return [part for part in parts if part.rate is not None or part.quantity]


def cost_of(quantities: Mapping[str, int], rates: Mapping[str, int]) -> int | None:
    """Pico-dollars, at pico-dollars for one of each; None where something that was used has no rate: then it is unpriced."""
    cost = 0
    for name, quantity in billed_alone(quantities, rates).items():
        rate = rates.get(name)
        if rate is not None:
            cost += quantity * rate
        elif quantity:
            return None
    return cost
