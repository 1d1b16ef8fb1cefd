"""Twenty workspaces and a gateway on the running product, what is sent to it, and the facts to hold it against."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from metering.catalogue.models import PriceVersion
from tests.scenarios.facts import LONG_AGO, SEED_RATES, Happened, Price
from tests.scenarios.oracle import Ledger
from tests.scenarios.stage import Caller, command, wait_until
from tests.scenarios.traffic import Sent
from workspaces.keys import issue

NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)
BATCH = 500
TENANTS, SANDBOX, ONLY_FAILURES = 20, 18, 19
ACTOR = "the scenario"


@dataclass
class Tenant:
    """A workspace: its ids, outside and inside, its keys' ids, and who asks for it."""

    workspace_id: str
    number: int
    keys: list[str]
    admin: Caller
    first_key: Caller


@dataclass
class Story:
    """The product and what was done with it so far."""

    url: str
    tenants: list[Tenant]
    gateway: Caller
    prices: list[Price] = field(default_factory=list)
    recorded: dict[tuple[int, str, int], Happened] = field(default_factory=dict)
    batches: list[str] = field(default_factory=list)

    def set_price(self, model: str, since: datetime, **facts: Any) -> None:
        """By the command, and in the oracle's list."""
        tenant = facts.get("tenant")
        rates = {name: facts.get(name) for name in ("input", "cached_input", "cache_write", "output")}
        words = [model, "--effective-from", since.isoformat(), "--tier", facts.get("tier", "default")]
        words += ["--above-input-tokens", str(facts.get("above", 0))]
        for name, rate in rates.items():
            words += [] if rate is None else [f"--{name.replace('_', '-')}", rate]
        if tenant is not None:
            words += ["--workspace", self.tenants[tenant].workspace_id]
        decimals = {name: None if rate is None else Decimal(rate) for name, rate in rates.items()}
        self.prices.append(Price(command("set_price", *words)["price_id"], model, since, **(facts | decimals)))

    def send(self, sendings: list[Sent]) -> None:
        """In batches, of which every third is compressed; returns when all of them are processed."""
        for first in range(0, len(sendings), BATCH):
            batch = sendings[first : first + BATCH]
            answer = self.gateway.post_events([sent.body for sent in batch], compressed=first // BATCH % 3 == 0)
            refused = [(at, sent.code) for at, sent in enumerate(batch) if sent.happened is None]
            assert [(each["index"], each["code"]) for each in answer["rejected"]] == refused
            assert answer["accepted"] == len(batch) - len(refused)
            self.batches.append(answer["batch_id"])
        for sent in sendings:
            if sent.happened is not None:
                self.recorded.setdefault(sent.happened.identity, sent.happened)
        for batch_id in self.batches:
            wait_until(lambda: self.batch(batch_id)["status"] == "processed", f"batch {batch_id}")  # noqa: B023

    def batch(self, batch_id: str) -> Any:
        return self.gateway.get(f"/gateway/v1/batches/{batch_id}")

    def counts(self) -> Counter[str]:
        """What became of everything sent."""
        return sum((Counter(self.batch(batch_id)["counts"]) for batch_id in self.batches), Counter())

    def ledger(self) -> Ledger:
        return Ledger(self.recorded.values(), self.prices)


def begin(url: str) -> Story:
    """The seed catalogue, a gateway and the workspaces: one a sandbox, and one that will see failures only."""
    command("load_catalogue")
    token = issue.create_gateway("eu-1", ACTOR, NOW)[1]
    tenants = []
    for number in range(TENANTS):
        workspace = issue.create_workspace(f"Tenant {number}", "", ACTOR, NOW, sandbox=number == SANDBOX)
        kind = "test" if workspace.sandbox else "live"
        keys = [issue.create_key(workspace, kind, f"key {at}", ACTOR, NOW) for at in range(1 + number % 3)]
        admin = Caller(url, issue.create_key(workspace, "admin", "admin", ACTOR, NOW)[1])
        own = Caller(url, keys[0][1])
        tenants.append(Tenant(workspace.public_id, workspace.pk, [key.public_id for key, _ in keys], admin, own))
    story = Story(url, tenants, Caller(url, token))
    for model, rates in SEED_RATES.items():
        price_id = PriceVersion.objects.get(model__slug=model).public_id
        input, cached_input, output = (None if rate is None else Decimal(rate) for rate in rates)
        assert input is not None
        assert output is not None
        story.prices.append(Price(price_id, model, LONG_AGO, input, cached_input, output))
    return story
