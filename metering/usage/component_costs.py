"""Why usage costs what it costs: its components, each at the rate of its own price version."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from metering.breakdown import billed_of
from metering.catalogue.models import PriceVersion
from metering.components import COUNTED, Component, Counts, component_named, rates_per_million
from metering.dollars import usd_component_rate
from metering.ingest.models import EventStatus
from metering.money import PICO_PLACES, WIDE
from metering.usage.events.events import EventRow
from metering.usage.query import UsageQuestion, UsageRow, usage

PRICE = "price"  # the group

# A rate is per million tokens, so tokens x rate is a cost times 10^6.
MILLION_PLACES = PICO_PLACES // 2


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """One part of an event or of a sum: how much, USD per million of it, exact USD. Rate and cost are None while unpriced."""

    component: str
    quantity: int
    rate_per_million: Decimal | None
    cost: Decimal | None

    @property
    def kind(self) -> Component:
        return component_named(self.component)

    @property
    def rate_text(self) -> str:
        """As people read it."""
        return usd_component_rate(self.rate_per_million, self.kind)


def component_costs(event: EventRow) -> list[ComponentCost]:
    """Always the common four, and of others what is billed by itself; they add up to the event's cost.

    A failed response, and a voided one, cost nothing at no rate.
    """
    if event.rates is None:
        cost = Decimal(0) if event.status >= EventStatus.FAILED else None
        return [ComponentCost(name, count, None, cost) for name, count in event.billed.items() if _is_listed(name, count)]
    return _at(event.rates, event.billed)


@dataclass(frozen=True, slots=True)
class PricedRow:
    """A row of usage under one price version, and what its components cost: they add up to the row's cost."""

    row: UsageRow
    price: PriceVersion
    parts: list[ComponentCost]


def priced_usage(question: UsageQuestion) -> list[PricedRow]:
    """The rows of `question`, split by price version as well. What has no price, or was not billed, costs nothing and is not
    among them. Raises what `usage` raises.
    """
    rows = usage(replace(question, group_by=(*question.group_by, PRICE))).rows
    prices = PriceVersion.objects.in_bulk({row.groups[PRICE] for row in rows} - {""}, field_name="public_id")
    return [
        PricedRow(row, price, costs_of_row(row, rates_per_million(price)))
        for row in rows
        if (price := prices.get(row.groups[PRICE])) is not None
    ]


def costs_of_row(row: UsageRow, rates: Mapping[str, Decimal]) -> list[ComponentCost]:
    """What a sum of usage under these rates is billed in."""
    counts = Counts(*(getattr(row, each.quantity) for each in COUNTED))
    return _at(rates, billed_of(counts, tuple(row.others.items()), row.requests, rates))


def _at(rates: Mapping[str, Decimal], quantities: Mapping[str, int]) -> list[ComponentCost]:
    return [
        ComponentCost(name, count, rates[name], WIDE.multiply(Decimal(count), rates[name]).scaleb(-MILLION_PLACES, WIDE))
        for name, count in quantities.items()
        if _is_listed(name, count)
    ]


def _is_listed(name: str, quantity: int) -> bool:
    """The four that every version has a rate for always, and others where there is something of them."""
    return bool(quantity or component_named(name).rate)
