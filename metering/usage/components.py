"""Why an event costs what it costs: its disjoint parts, each at the rate of the event's own price version."""

from dataclasses import dataclass
from decimal import Decimal

from metering.ingest.models import EventStatus
from metering.money import PICO_PLACES, WIDE
from metering.pricing.components import COMPONENTS, full_rates, tokens_of
from metering.usage.events import EventRow

# A rate is per million tokens, so tokens x rate is a cost times 10^6.
MILLION_PLACES = PICO_PLACES // 2


@dataclass(frozen=True, slots=True)
class Component:
    """One part of an event: tokens, USD per million tokens, exact USD. Rate and cost are None while unpriced."""

    component: str
    tokens: int
    rate_per_million: Decimal | None
    cost: Decimal | None


def components(event: EventRow) -> list[Component]:
    """Always the four parts, which add up to the event's cost. A failed response, and a voided one, cost nothing at no rate."""
    tokens = tokens_of(event.input_tokens, event.cached_input_tokens, event.cache_write_tokens, event.output_tokens)
    if event.rates is None:
        cost = Decimal(0) if event.status >= EventStatus.FAILED else None
        return [Component(name, count, None, cost) for name, count in zip(COMPONENTS, tokens, strict=True)]
    return [
        Component(name, count, rate, WIDE.multiply(Decimal(count), rate).scaleb(-MILLION_PLACES, WIDE))
        for name, count, rate in zip(COMPONENTS, tokens, full_rates(*event.rates), strict=True)
    ]
