"""A million tiny costs add up to their exact sum, by the hour, by the day and in the answers."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from metering.ingest.formats.events import read_event
from metering.ingest.recording.arrivals import Arrival, BatchOrigin, rate_arrival, resolve_names
from metering.money import exact_text
from metering.pricing.rates import load_rates
from metering.rollups.fold import fold_events
from metering.rollups.models import DailyRollup, HourlyRollup
from tests.exactness.agreement import client_of
from tests.exactness.history import BEGINNING
from tests.kit.factories import an_event, make_key, make_price, make_workspace
from workspaces.models import APIKey

BATCH, BATCHES_PER_TRANSACTION, TRANSACTIONS = 1_000, 10, 100
TINY = 7  # pico-dollars: as many tokens at a millionth of a dollar per million


@pytest.mark.django_db
def test_a_million_tiny_costs_add_up_exactly() -> None:
    """In each batch the n-th costs 7n pico-dollars: 7 x 499,500 x 1,000 of them in the end."""
    workspace = make_workspace()
    make_price("tiny", input="0.000001", output="0")
    arrivals = a_batch(make_key(workspace))
    for transaction in range(TRANSACTIONS):
        moved = BEGINNING.replace(hour=transaction % 24)
        for arrival in arrivals:
            arrival.event.occurred_at = moved
        fold_events(arrivals * BATCHES_PER_TRANSACTION)
    expected = Decimal("0.003496500000")
    for rollup, rows in ((HourlyRollup, 24), (DailyRollup, 1)):
        assert rollup.objects.count() == rows
        sums = rollup.objects.aggregate(cost=Sum("cost"), requests=Sum("requests"), tokens=Sum("input_tokens"))
        assert sums == {"cost": expected, "requests": 1_000_000, "tokens": 3_496_500_000}
    midnight = BEGINNING.replace(hour=0, minute=0)
    asked = {"start": midnight.isoformat(), "end": (midnight + timedelta(days=1)).isoformat()}
    total = client_of(workspace).get("/api/v1/usage", asked).json()["total"]
    assert (total["requests"], total["input_tokens"], total["cost"]) == (1_000_000, 3_496_500_000, exact_text(expected))


def a_batch(key: APIKey) -> list[Arrival]:
    """As the worker has them once they are rated."""
    rates, events = load_rates(), []
    for n in range(BATCH):
        usage = {"prompt_tokens": TINY * n, "completion_tokens": 0}
        event = an_event(key, request_id=f"r{n}", model="tiny", usage=usage, occurred_at=BEGINNING.isoformat())
        events.append((BatchOrigin(1, 1), read_event(json.dumps(event).encode(), n, BEGINNING)))
    arrivals = resolve_names(events)
    for arrival in arrivals:
        rate_arrival(arrival, rates)
    return arrivals
