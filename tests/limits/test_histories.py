"""Random histories of one workspace, act by act against plain arithmetic: none exceeds a limit, and what fits is allowed."""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from metering.limits.authorize import extend, release
from metering.limits.budgets.compare import limit_differences
from metering.limits.gateway.requests import Extend
from metering.limits.holds import expire_holds
from metering.limits.models import Budget, BudgetHeld, BudgetWindow
from tests.kit.factories import an_event, make_gateway, make_key, make_price, make_workspace, send
from tests.limits.cast import a_budget, ask
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

HISTORIES, ACTS = 3, 60
START = datetime(2026, 10, 15, 22, 30, tzinfo=UTC)
INPUT, OUTPUT = Decimal("0.000001"), Decimal("0.00001")  # USD per token
FLOOR = 256
MODELS, USERS = ("codex-mini", "codex-maxi"), ("ann", "bob", "")


@dataclass
class Held:
    """A request that was allowed, as the oracle knows it."""

    hold_id: str
    key: str
    model: str
    user: str
    at: datetime
    expires_at: datetime
    tokens: int
    output: int
    live: bool = True

    @property
    def amount(self) -> Decimal:
        return self.tokens * INPUT + self.output * OUTPUT


@dataclass
class Oracle:
    """Budgets as (scope, scope id, limit), all by day in UTC; what is spent is a list of (key, model, user, day, cost)."""

    budgets: list[tuple[str, str, Decimal]]
    held: dict[str, Held] = field(default_factory=dict)
    spent: list[tuple[str, str, str, datetime, Decimal]] = field(default_factory=list)

    def room(self, key: str, model: str, user: str, at: datetime) -> Decimal:
        """What the tightest of the budgets has left at this moment."""
        self.expire(at)
        rooms = []
        for scope, scope_id, limit in self.budgets:
            mine = {"workspace": "", "key": key, "model": model, "user": user}[scope]
            if scope != "workspace" and (not mine or scope_id not in ("*", mine)):
                continue
            used = [cost for *names, day, cost in self.spent if day == at.date() and self._same(scope, mine, names)]
            used += [
                each.amount
                for each in self.held.values()
                if each.live and self._same(scope, mine, [each.key, each.model, each.user])
            ]
            rooms.append(limit - sum(used, Decimal(0)))
        return min(rooms)

    def expire(self, now: datetime) -> None:
        for each in self.held.values():
            each.live = each.live and each.expires_at > now

    def _same(self, scope: str, mine: str, names: list[str]) -> bool:
        return scope == "workspace" or names[("key", "model", "user").index(scope)] == mine


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_decisions_agree_with_plain_arithmetic(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a story that can be repeated
    for model in MODELS:
        make_price(model=model, input="1", output="10")
    workspace, gateway = make_workspace(), make_gateway()
    keys = [make_key(workspace, name=name) for name in ("one", "two")]
    scopes = [("workspace", ""), ("key", keys[0].public_id), ("model", "*"), ("user", "*"), ("user", "ann")]
    oracle = Oracle([(scope, scope_id, Decimal(dice.randint(3, 60)) / 1000) for scope, scope_id in scopes])
    for scope, scope_id, limit in oracle.budgets:
        a_budget(workspace, str(limit), scope, scope_id or None, window="day", now=START)
    story = Story(dice, oracle, keys, gateway)
    acts: list[Callable[[], None]] = [story.ask, story.ask, story.ask, story.settle, story.release, story.extend, story.wait]
    for _ in range(ACTS):
        dice.choice(acts)()
        assert list(limit_differences(story.now)) == []
        assert all(used <= limit for limit, used in used_by_window(story.now))
    story.end()
    assert {each.held for each in BudgetHeld.objects.all()} <= {Decimal(0)}


def used_by_window(now: datetime) -> list[tuple[Decimal, Decimal]]:
    """Each budget's limit beside what is spent in a window, and in the present one also held."""
    held = {(each.budget_id, each.scope_value, now.date()): each.held for each in BudgetHeld.objects.all()}
    return [
        (each.budget.limit, each.spent + held.get((each.budget_id, each.scope_value, each.start.date()), 0))
        for each in BudgetWindow.objects.select_related("budget").filter(budget__mode=Budget.Mode.HARD)
    ]


class Story:
    """What happens, to the product and to the oracle alike."""

    def __init__(self, dice: random.Random, oracle: Oracle, keys: list[APIKey], gateway: Gateway) -> None:
        self.dice, self.oracle, self.keys, self.gateway = dice, oracle, keys, gateway
        self.now = START
        self.numbers: dict[str, int] = defaultdict(int)

    def ask(self) -> None:
        key, model, user = self.dice.choice(self.keys), self.dice.choice(MODELS), self.dice.choice(USERS)
        tokens, output = self.dice.randint(0, 3000), self.dice.choice([0, 100, 256, 1000, 3000])
        self.numbers["request"] += 1
        request_id = f"req_{self.numbers['request']}"
        room = self.oracle.room(key.public_id, model, user, self.now)
        said: dict[str, Any] = {"model": model, "user": user or None, "input_tokens": tokens, "max_output_tokens": output}
        answer = ask(key, self.gateway, request_id, self.now, ttl_seconds=self.dice.choice([600, 86_400]), **said)
        fits = min(output, int((room - tokens * INPUT) // OUTPUT)) if room >= tokens * INPUT else -1
        assert answer["allowed"] == (fits >= min(output, FLOOR)), (answer, room)
        if answer["allowed"]:
            assert answer["max_output_tokens"] == fits
            expires = datetime.fromisoformat(answer["expires_at"])
            names = (key.public_id, model, user)
            self.oracle.held[request_id] = Held(answer["hold_id"], *names, self.now, expires, tokens, fits)

    def one(self) -> tuple[str, Held] | None:
        """A request that has not ended."""
        self.oracle.expire(self.now)
        found = sorted(self.oracle.held)
        return None if not found else (chosen := self.dice.choice(found), self.oracle.held[chosen])

    def settle(self) -> None:
        if (chosen := self.one()) is None:
            return
        request_id, held = chosen
        output = self.dice.randint(0, held.output)
        usage = {"prompt_tokens": held.tokens, "completion_tokens": output}
        key = next(each for each in self.keys if each.public_id == held.key)
        at = min(held.at + timedelta(minutes=self.dice.randint(0, 5)), self.now)
        before = self.oracle.room(held.key, held.model, held.user, at)
        cost = held.tokens * INPUT + output * OUTPUT
        if not held.live and cost > before:
            return  # it was allowed, and ran out: what it cost would be spent beyond the limit, which is not this test's
        event = an_event(key, request_id=request_id, model=held.model, user=held.user or None, usage=usage)
        send(self.gateway, [event | {"occurred_at": at.isoformat()}], self.now)
        self.oracle.spent.append((held.key, held.model, held.user, at.date(), cost))
        del self.oracle.held[request_id]

    def release(self) -> None:
        if (chosen := self.one()) is not None:
            release(chosen[1].hold_id, self.gateway, self.now)
            del self.oracle.held[chosen[0]]

    def extend(self) -> None:
        if (chosen := self.one()) is None or not chosen[1].live:
            return
        held = chosen[1]
        answer = extend(held.hold_id, Extend(output_tokens_so_far=held.output, ttl_seconds=3600), self.gateway, self.now)
        if answer["allowed"]:
            held.output = answer["max_output_tokens"]
            held.expires_at = datetime.fromisoformat(answer["expires_at"])

    def wait(self) -> None:
        self.now += timedelta(minutes=self.dice.choice([1, 5, 20, 90]))
        if self.dice.random() < 0.5:
            expire_holds(self.now)

    def end(self) -> None:
        self.now += timedelta(days=2)
        expire_holds(self.now)
