"""Why an event costs what it costs: its components, each at the rate of the event's own price version."""

from dataclasses import dataclass
from decimal import Decimal

from metering.components import NAMES, billed_quantities, full_rates
from metering.ingest.models import EventStatus
from metering.money import PICO_PLACES, WIDE
from metering.usage.events import EventRow

# A rate is per million tokens, so tokens x rate is a cost times 10^6.
MILLION_PLACES = PICO_PLACES // 2


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """One part of an event: tokens, USD per million tokens, exact USD. Rate and cost are None while unpriced."""

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
    rates = full_rates(dict(zip(NAMES, event.rates, strict=True)))
    return [
        ComponentCost(name, count, rates[name], WIDE.multiply(Decimal(count), rates[name]).scaleb(-MILLION_PLACES, WIDE))
        for name, count in tokens.items()
    ]
