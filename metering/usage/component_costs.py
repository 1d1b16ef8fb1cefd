"""Why usage costs what it costs: its components, each at the rate of its own price version."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from metering.catalogue.models import PriceVersion
from metering.components import NAMES, billed_quantities, full_rates, rates_per_million
from metering.ingest.models import EventStatus
from metering.money import PICO_PLACES, WIDE
from metering.usage.events import EventRow
from metering.usage.query import UsageQuestion, UsageRow, usage

PRICE = "price"  # the group

# A rate is per million tokens, so tokens x rate is a cost times 10^6.
MILLION_PLACES = PICO_PLACES // 2


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """One part of an event or of a sum: tokens, USD per million tokens, exact USD. Rate and cost are None while unpriced."""

    component: str
    tokens: int
    rate_per_million: Decimal | None
    cost: Decimal | None


def component_costs(event: EventRow) -> list[ComponentCost]:
    """Always every component; they add up to the event's cost. A failed response, and a voided one, cost nothing at no rate."""
    tokens = billed_quantities(event)
    if event.rates is None:
        cost = Decimal(0) if event.status >= EventStatus.FAILED else None
        return [ComponentCost(name, count, None, cost) for name, count in tokens.items()]
    return _at(full_rates(dict(zip(NAMES, event.rates, strict=True))), tokens)


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
        PricedRow(row, price, _at(rates_per_million(price), billed_quantities(row)))
        for row in rows
        if (price := prices.get(row.groups[PRICE])) is not None
    ]


def _at(rates: Mapping[str, Decimal], tokens: Mapping[str, int]) -> list[ComponentCost]:
    return [
        ComponentCost(name, count, rates[name], WIDE.multiply(Decimal(count), rates[name]).scaleb(-MILLION_PLACES, WIDE))
        for name, count in tokens.items()
    ]
