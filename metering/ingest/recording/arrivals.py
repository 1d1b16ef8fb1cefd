"""An event with the numbers of everything it names: what the worker's transaction claims, rates and writes."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from metering.ingest.directory import directory
from metering.ingest.formats.events import Event
from metering.ingest.models import EventStatus
from metering.pricing.provider_costs import ProviderTable, route_of
from metering.pricing.rates import RateTable, event_cost


class Arrival(msgspec.Struct, gc=False):
    """An event of a batch, by the numbers of its names; once rated, with its price and its cost in pico-dollars.

    While it is unpriced both are None; a failed response costs 0 and has no price.
    """

    event: Event
    batch_id: int
    gateway_id: int
    workspace_id: int
    key_id: int
    model_id: int
    tier_id: int
    provider_id: int
    price_id: int | None = None
    cost: int | None = None
    # What the provider charges us, by which of its cards; None while that is unknown.
    provider_price_id: int | None = None
    provider_cost: int | None = None


class BatchOrigin(NamedTuple):
    """Where an event came from."""

    batch_id: int
    gateway_id: int


class Outcome(NamedTuple):
    """What became of a set of arrivals; together they are all of it."""

    recorded: list[Arrival]
    duplicates: list[Arrival]
    conflicts: list[Arrival]


def resolve_names(events: Iterable[tuple[BatchOrigin, Event]]) -> list[Arrival]:
    """(origin, event) pairs with the numbers of everything they name. New names are added."""
    events = list(events)
    keys = directory.find_keys({event.key_id for _, event in events})
    models = directory.number_models({event.model for _, event in events})
    tiers = directory.number_tiers({event.service_tier for _, event in events})
    providers = directory.number_providers({event.provider for _, event in events})
    arrivals = []
    for origin, event in events:
        owner = keys[event.key_id]
        numbers = (models[event.model], tiers[event.service_tier], providers[event.provider])
        arrivals.append(Arrival(event, *origin, owner.workspace_id, owner.key_id, *numbers))
    return arrivals


def rate_arrival(arrival: Arrival, rates: RateTable) -> None:
    """Gives the arrival its price, if one is in force at its time."""
    event = arrival.event
    if event.status == EventStatus.FAILED:
        arrival.cost = 0
        return
    counts = event.counts
    found = rates.find(arrival.model_id, event.service_tier, arrival.workspace_id, event.occurred_at, counts.input)
    if found is not None:
        arrival.cost = event_cost(found, counts, event.others)
        arrival.price_id = None if arrival.cost is None else found.price_id


def cost_arrival(arrival: Arrival, providers: ProviderTable) -> None:
    """Gives the arrival what it costs us, if a card of its provider is in force at its time."""
    event = arrival.event
    if event.status >= EventStatus.FAILED:
        return
    route, input_tokens = route_of(event.detail), event.counts.input
    found = providers.find(event.provider, route, arrival.model_id, event.service_tier, event.occurred_at, input_tokens)
    cost = None if found is None else event_cost(found, event.counts, event.others)
    if found is not None and cost is not None:
        arrival.provider_price_id, arrival.provider_cost = found.price_id, cost


def last_uses(recorded: Iterable[Arrival], now: datetime) -> dict[int, datetime]:
    """When each key was last used in these events; a gateway's clock that runs ahead does not count."""
    uses: dict[int, datetime] = {}
    for arrival in recorded:
        at = arrival.event.occurred_at
        if uses.setdefault(arrival.key_id, at) < at:
            uses[arrival.key_id] = at
    return {key: min(at, now) for key, at in uses.items()}
