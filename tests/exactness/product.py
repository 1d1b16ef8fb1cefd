"""The product's side of a history: its own endpoints and workers on PostgreSQL, and what they say afterwards."""

import json
from datetime import datetime
from typing import Any

import time_machine

from metering import tasks
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.set_price import set_price
from metering.catalogue.withdraw_price import withdraw_price
from metering.errors import InvalidPrice, PriceAlreadySet, PriceInForce, RuleExists
from metering.ingest.formats.payloads import of_corrections, of_events
from metering.ingest.intake.receive import receive
from metering.ingest.models import Batch
from metering.ingest.understanding.decide import end_rule, make_rule
from metering.ingest.understanding.models import UsageRule
from metering.ingest.understanding.rules import forget_rules
from metering.revisions.rerating.jobs import continue_orders, order_rerating
from metering.revisions.rerating.plan import plan_rerating, scope_for
from metering.revisions.rerating.reprice import price_waiting
from metering.revisions.reread_usage import RereadScope, reread_usage
from metering.rollups.compare import months_with_usage
from metering.rollups.models import Rerating
from metering.rollups.rebuild import rebuild
from tests.exactness import history
from tests.exactness.history import MOST_BEHIND, NICKNAMES, NOBODY, OWNERS
from tests.exactness.reading import STRANGE
from tests.kit.factories import make_gateway, make_key, make_model, make_workspace, work
from workspaces.models import Workspace


class Product:
    """A world of its own: two workspaces with their keys. `prices` are the versions by the numbers that the oracle gives."""

    def __init__(self, suffix: str = "") -> None:
        forget_rules()
        self.suffix = suffix  # of models' names, where other histories have left theirs
        self.gateway = make_gateway(f"exact{suffix}")
        self.workspaces: list[Workspace] = [make_workspace("first"), make_workspace("second")]
        self.keys = {number: make_key(self.workspaces[owner]) for number, owner in OWNERS.items()}
        self.key_ids = {number: key.public_id for number, key in self.keys.items()}
        self.key_ids |= {history.ADMIN: make_key(self.workspaces[0], "admin").public_id, NOBODY: "key_nobody"}
        self.prices: dict[str, PriceVersion] = {}
        self.batches: list[Batch] = []
        for alias, model in NICKNAMES.items():
            make_model(self.named(alias), alias_of=make_model(self.named(model)))

    def named(self, model: str) -> str:
        return model + self.suffix

    def do(self, operation: history.Operation) -> Any:
        """What it answers, as the oracle does."""
        with time_machine.travel(operation.now, tick=False):
            return self.act(operation, operation.now)

    def act(self, operation: history.Operation, now: datetime) -> Any:
        match operation:
            case history.Send(events=events):
                return self.take_in(of_events, {"events": [self.event(each) for each in events]}, now, operation.work)
            case history.Correct(corrections=corrections):
                body = {"corrections": [self.keyed(each) for each in corrections]}
                return self.take_in(of_corrections, body, now, operation.work)
            case history.Work():
                work(now)
            case history.Stumble():
                Batch.objects.filter(status="pending", gateway=self.gateway).update(failures=1)
            case history.Sweep():
                tasks.sweep_inbox()
            case history.SetPrice():
                return self.set_price(operation)
            case history.Withdraw(at=at):
                return self.withdraw(f"price {at}", now)
            case history.Name(model=model, stands_for=stands_for):
                of = None if stands_for is None else make_model(self.named(stands_for))
                LanguageModel.objects.filter(pk=make_model(self.named(model)).pk).update(alias_of=of)
            case history.PriceWaiting():
                return price_waiting()
            case history.Order():
                return self.rate_again(operation)
            case history.Continue():
                return continue_orders(now)
            case history.Understand(component=component):
                return understand(component, now)
            case history.Reread():
                changes = reread_usage(RereadScope(now - MOST_BEHIND, now + MOST_BEHIND), now, "reread").changes
                if operation.work:
                    work(now)
                return sum(each.requests for each in changes.values())
            case history.Rebuild():
                assert [rebuild(month)["changed"] for month in months_with_usage()] == [0] * len(months_with_usage())
        return None

    def take_in(self, payload: Any, body: dict[str, Any], now: datetime, then_work: bool) -> Batch:
        batch = receive(payload(json.dumps(body).encode()), self.gateway, now)
        self.batches.append(batch)
        if then_work:
            work(now)
        return batch

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        return self.keyed(event) | {"model": self.named(event["model"])}

    def keyed(self, sent: dict[str, Any]) -> dict[str, Any]:
        return {"key_id": self.key_ids[sent["key"]]} | {name: value for name, value in sent.items() if name != "key"}

    def set_price(self, order: history.SetPrice) -> PriceVersion | None:
        input, cached, written, output = order.rates
        try:
            return set_price(
                self.named(order.model),
                input=input,
                cached_input=cached,
                cache_write=written,
                output=output,
                service_tier=order.tier,
                above_input_tokens=order.above,
                workspace=None if order.tenant is None else self.workspaces[order.tenant],
                effective_from=order.since,
                correct=order.correct,
                **dict(order.open),
                actor="a test",
                now=order.now,
            )
        except (PriceAlreadySet, InvalidPrice):
            return None

    def withdraw(self, number: str, now: datetime) -> bool:
        price = PriceVersion.objects.filter(pk=self.prices[number].pk).first() if number in self.prices else None
        if price is None:
            return False
        try:
            withdraw_price(price, "a test", now)
        except PriceInForce:
            return False
        return True

    def rate_again(self, asked: history.Order) -> int | None:
        """By order. Done at once, it changes just what its dry run said."""
        model = None if asked.model is None else make_model(self.named(asked.model))
        workspace = None if asked.tenant is None else self.workspaces[asked.tenant]
        scope = scope_for(model, workspace, asked.start, asked.end, asked.now)
        planned = plan_rerating(scope)
        alone = not Rerating.objects.filter(status="running").exists()
        order = order_rerating(model, workspace, scope, reason="a test", plan=[], actor="a test", now=asked.now)
        if not asked.work:
            return None
        changed = continue_orders(asked.now)
        order.refresh_from_db()
        if alone:
            expected = [sum(column) for column in zip(*(vars_of(each) for each in planned.values()), strict=True)]
            assert (expected or [0, 0, 0, 0]) == [order.changed, order.priced, pico(order.cost_before), pico(order.cost_after)]
        return changed


def understand(component: str | None, now: datetime) -> bool:
    """Whether the rule is made; None ends the one that is."""
    if component is None:
        current = UsageRule.objects.current().first()
        return current is not None and end_rule(current.pk, "a test", now) == current
    meaning = UsageRule.Meaning.COMPONENT if component else UsageRule.Meaning.INFORMATION
    try:
        make_rule("openai.chat", STRANGE, meaning, component, "a test", "a test", now)
    except RuleExists:
        return False
    return True


def vars_of(planned: Any) -> tuple[int, int, int, int]:
    return planned.requests, planned.priced, planned.before, planned.after


def pico(cost: Any) -> int:
    return int(cost * 10**12)
