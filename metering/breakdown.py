"""What of quantities is billed as which component, under the rates of one price version.

A component with a rate of its own is billed by itself, and what it is a part of is billed without it. One without costs what
its whole costs, within it. The four whose rates have columns are always billed by themselves.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from metering.components import BY_NAME, REQUEST, Counts, OtherCounts, component_named, full_rates, in_order, own_rates

Rate = TypeVar("Rate", int, Decimal)


def all_quantities(counts: Counts, others: OtherCounts, requests: int = 1) -> dict[str, int]:
    """Of one response, or of a sum of some: by component, each including its parts."""
    return counts._asdict() | {REQUEST: requests} | dict(others)


def rates_of(version: Any) -> dict[str, Decimal]:
    """By component, USD per `per` of it: the four that every version has, and the open ones that this one has."""
    return full_rates(own_rates(version)) | open_rates(version)


def open_rates(version: Any) -> dict[str, Decimal]:
    """Those of a version that have no column, in the order of the list."""
    return {name: Decimal(version.open_rates[name]) for name in in_order(version.open_rates)}


def pico_rates(rates: Mapping[str, Decimal]) -> dict[str, int]:
    """Pico-dollars for one of the smallest unit: whole numbers, by the decimals that a rate may have."""
    return {name: int(rate.scaleb(component_named(name).decimals)) for name, rate in rates.items()}


def rate_for(rates: Mapping[str, Rate], name: str) -> Rate | None:
    """The rate for a component by itself; for image/high/1024x1024 that of image/high, where it has none."""
    rate = rates.get(name)
    while rate is None and name.count("/") > 1:
        name = name.rpartition("/")[0]
        rate = rates.get(name)
    return rate


def billed_alone(quantities: Mapping[str, int], rates: Mapping[str, Any]) -> dict[str, int]:
    """How much of each component is billed by itself, in the order of the list; nothing is in two of them.

    What no rate covers and nothing includes is among them too: unless it is 0, the response has no price.
    """
    alone = {}
    for name in in_order(quantities):
        component = component_named(name)
        within = component.fallback or component.part_of or component.free_without_rate
        if component.rate or not within or rate_for(rates, name) is not None:
            alone[name] = quantities[name]
    for name in alone:
        whole = component_named(name).part_of
        while whole and whole not in alone:
            whole = BY_NAME[whole].part_of
        if whole:
            alone[whole] -= quantities[name]
    return alone


class BilledPart(NamedTuple):
    """So much of a component, and the rate for `per` of it: None where no rate covers it."""

    component: str
    quantity: int
    rate: Decimal | None


def breakdown(quantities: Mapping[str, int], rates: Mapping[str, Decimal]) -> list[BilledPart]:
    """The parts that quantities are billed in. Of what has no rate only what was used."""
    parts = [BilledPart(name, quantity, rate_for(rates, name)) for name, quantity in billed_alone(quantities, rates).items()]
    return [part for part in parts if part.rate is not None or part.quantity]


def cost_of(quantities: Mapping[str, int], rates: Mapping[str, int]) -> int | None:
    """Pico-dollars, at pico-dollars for one of each; None where something that was used has no rate: then it is unpriced."""
    cost = 0
    for name, quantity in billed_alone(quantities, rates).items():
        rate = rate_for(rates, name)
        if rate is not None:
            cost += quantity * rate
        elif quantity:
            return None
    return cost
