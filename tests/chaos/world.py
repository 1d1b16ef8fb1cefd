"""What is true whatever dies: workspaces, prices, and the events that the gateway sends of the last thirty days."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.chaos.instance import Instance
from tests.scenarios.facts import LONG_AGO, SEED_RATES, Happened, Price
from tests.scenarios.traffic import START, THRESHOLD, Sent, Traffic

DAYS = timedelta(days=31)
SIZES = (1, 10, 50, 100, 100)
# Sixteen days ago is the middle of the traffic.
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("codex-mini", {"tier": "priority", "input": "2.7", "cached_input": "0.675", "output": "10.8"}),
    ("grok-3", {"above": THRESHOLD, "input": "6", "cached_input": "1.5", "output": "30"}),
    ("o1-preview", {"days_ago": 16, "input": "12.000001", "cached_input": "6.1", "output": "48.654321"}),
]


class RecentTraffic(Traffic):
    """A month of traffic as the scenarios have it, moved so that it ends yesterday."""

    def __init__(self, keys: list[list[str]], seed: int, now: datetime) -> None:
        super().__init__(keys, set(), seed)
        self.moved = now - DAYS - START

    def happened(self, tenant: int | None = None) -> Happened:
        event = super().happened(tenant)
        return replace(event, at=event.at + self.moved)


@dataclass
class World:
    """`workspaces` are the database's ids of the tenants, in the order in which the events number them."""

    gateway: str
    token: str
    admin_keys: list[str]
    keys: list[list[str]]
    workspaces: list[int]
    prices: list[Price]
    now: datetime
    seed: int

    def batches(self) -> Iterator[list[Sent]]:
        """Without end, of any size up to the largest, the same ones for the same seed."""
        traffic, dice = RecentTraffic(self.keys, self.seed, self.now), random.Random(self.seed)  # noqa: S311
        while True:
            yield list(traffic.events(dice.choice(SIZES)))


def make_world(instance: Instance, seed: int, sweep_every: int | None = None) -> World:
    """Tenants, and prices by tier, by threshold and with a change in the middle of the traffic."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    changes = [changed(now, *change) for change in CHANGES]
    orders = {"prices": [command_for(price) for price in changes], "sweep_every": sweep_every}
    made = instance.python("-m", "tests.chaos.tenants", json.dumps(orders))
    prices = [replace(price, price_id=price_id) for price, price_id in zip(changes, made["prices"], strict=True)]
    keys = [workspace["keys"] for workspace in made["workspaces"]]
    admin_keys = [workspace["admin_key"] for workspace in made["workspaces"]]
    workspaces = [workspace["number"] for workspace in made["workspaces"]]
    return World(made["gateway"], made["token"], admin_keys, keys, workspaces, [*seed_prices(instance), *prices], now, seed)


def changed(now: datetime, model: str, facts: dict[str, Any]) -> Price:
    """A price that is still to be set."""
    since = now - timedelta(days=facts["days_ago"]) if "days_ago" in facts else LONG_AGO
    rates = {name: Decimal(facts[name]) for name in ("input", "cached_input", "output")}
    return Price("", model, since, tier=facts.get("tier", "default"), above=facts.get("above", 0), **rates)


def command_for(price: Price) -> list[str]:
    """The arguments of `set_price`."""
    words = [price.model, "--effective-from", price.since.isoformat(), "--tier", price.tier]
    words += ["--input", str(price.input), "--cached-input", str(price.cached_input), "--output", str(price.output)]
    return [*words, "--above-input-tokens", str(price.above)]


def seed_prices(instance: Instance) -> list[Price]:
    statement = """
        SELECT public_id FROM metering_priceversion price JOIN metering_languagemodel model ON model.id = price.model_id
        WHERE slug = %s ORDER BY effective_from, price.id LIMIT 1
    """
    prices = []
    for model, rates in SEED_RATES.items():
        ((price_id,),) = instance.query(statement, model)
        input, cached_input, output = (None if rate is None else Decimal(rate) for rate in rates)
        assert input is not None
        assert output is not None
        prices.append(Price(price_id, model, LONG_AGO, input, cached_input, output))
    return prices
