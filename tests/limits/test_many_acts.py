"""Eight processes act on the same budgets at once: each decision is the one that plain arithmetic makes in the same order.

So no hard limit is ever exceeded, nothing is refused that fits, and in the end nothing is held. `DEEP=1` makes a million acts
of it.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from metering.limits.holds import expire_holds
from metering.limits.models import BudgetHeld, BudgetWindow, Hold, HoldStatus
from tests.kit.depth import examples
from tests.kit.factories import make_gateway, make_key, make_price, make_workspace
from tests.limits.acts import INPUT, MODELS, OUTPUT, TABLE
from tests.limits.cast import a_budget

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES, WORKSPACES = 8, 3
ACTS = examples(1_200, 1_000_000)
SECONDS = 7_200
EVERYTHING = {"allowed", "lowered", "refused", "extended", "settled", "released", "expired", "raised"}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def _table_of_acts() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE acts")


@dataclass
class Held:
    names: dict[str, str]
    amount: Decimal
    tokens: int
    output: int
    expires_at: datetime


@dataclass
class Oracle:
    """One workspace. Budgets by id as (scope, scope id, limit); what is spent and held of each, by what it covers."""

    budgets: dict[str, tuple[str, str, Decimal]]
    spent: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    live: dict[str, Held] = field(default_factory=dict)

    def covering(self, names: dict[str, str]) -> list[tuple[str, str]]:
        found = []
        for budget, (scope, scope_id, _) in self.budgets.items():
            mine = names[scope]
            if scope == "workspace" or (mine and scope_id in ("*", mine)):
                found.append((budget, mine))
        return found

    def room(self, names: dict[str, str]) -> Decimal:
        return min(self.budgets[each[0]][2] - self.spent[each] - self.held[each] for each in self.covering(names))

    def move(self, names: dict[str, str], spent: Decimal, held: Decimal) -> None:
        for each in self.covering(names):
            self.spent[each] += spent
            self.held[each] += held
            assert self.spent[each] + self.held[each] <= self.budgets[each[0]][2] or (spent, held) <= (0, 0), "over a limit"

    def act(self, act: dict[str, Any]) -> str:
        return str(getattr(self, act["act"])(**{name: value for name, value in act.items() if name != "act"}))

    def ask(self, now: str, said: dict[str, Any], heard: dict[str, Any]) -> str:
        self.expire(now)
        names = {"workspace": "", "key": said["key_id"], "model": said["model"], "user": said["user"]}
        tokens, output = said["input_tokens"], said["max_output_tokens"]
        fits = fitting(self.room(names), tokens, output)
        if fits < min(output, settings.AUTHORIZE_LEAST_OUTPUT_TOKENS):
            assert (heard["allowed"], heard["reason"]) == (False, "budget_reached"), "more was held than fits"
            return "refused"
        assert (heard["allowed"], heard["max_output_tokens"]) == (True, fits), "refused what fits"
        amount = tokens * INPUT + fits * OUTPUT
        assert Decimal(heard["held"]) == amount
        self.live[said["request_id"]] = Held(names, amount, tokens, fits, datetime.fromisoformat(heard["expires_at"]))
        self.move(names, Decimal(0), amount)
        return "allowed" if fits == output else "lowered"

    def extend(self, request: str, so_far: int, heard: dict[str, Any]) -> str:
        held = self.live[request]
        floor, step = settings.AUTHORIZE_LEAST_OUTPUT_TOKENS, settings.AUTHORIZE_OUTPUT_TOKENS
        target = held.output if so_far + floor <= held.output else so_far + step
        fits = fitting(self.room(held.names) + held.amount, held.tokens, target)
        keeps = held.output <= fits and held.output > so_far
        if fits < target and fits < so_far + floor and not keeps:
            assert not heard["allowed"], "more was held than fits"
            return "not extended"
        assert (heard["allowed"], heard["max_output_tokens"]) == (True, fits), "refused what fits"
        amount = held.tokens * INPUT + fits * OUTPUT
        self.move(held.names, Decimal(0), amount - held.amount)
        held.amount, held.output = amount, fits
        return "extended"

    def settle(self, request: str, cost: str) -> str:
        held = self.live.pop(request)
        self.move(held.names, Decimal(cost), -held.amount)
        return "settled"

    def release(self, request: str) -> str:
        held = self.live.pop(request)
        self.move(held.names, Decimal(0), -held.amount)
        return "released"

    def expire(self, now: str) -> str:
        at = datetime.fromisoformat(now)
        for request in [name for name, held in self.live.items() if held.expires_at <= at]:
            self.release(request)
        return "expired"

    def limit(self, budget: str, limit: str) -> str:
        self.budgets[budget] = (*self.budgets[budget][:2], Decimal(limit))
        return "raised"


def fitting(room: Decimal, tokens: int, output: int) -> int:
    """How many tokens of output are paid for; -1 where not even the input is."""
    left = room - tokens * INPUT
    return -1 if left < 0 else min(output, int(left // OUTPUT))


def cast() -> dict[int, Oracle]:
    make_gateway("acts")
    for model in MODELS:
        make_price(model=model, input="1", output="10")
    oracles = {}
    for number in range(WORKSPACES):
        workspace = make_workspace(f"Acts {number}")
        keys = [make_key(workspace, name=name) for name in ("one", "two")]
        scopes = [("workspace", ""), ("key", keys[0].public_id), ("model", "*"), ("user", "*"), ("user", "ann")]
        budgets = {}
        for at, (scope, scope_id) in enumerate(scopes):
            made = a_budget(workspace, f"0.{60 + 10 * at}", scope, scope_id or None, window="total")
            budgets[made.public_id] = (scope, scope_id, made.limit)
        oracles[workspace.pk] = Oracle(budgets)
    return oracles


@pytest.mark.usefixtures("_table_of_acts")
def test_decisions_of_eight_processes_are_those_of_plain_arithmetic() -> None:
    oracles = cast()
    command = [sys.executable, "-m", "tests.limits.acts", str(connection.settings_dict["NAME"])]
    running = [
        subprocess.Popen([*command, str(seed), str(ACTS // PROCESSES)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for seed in range(PROCESSES)
    ]
    try:
        said = [process.communicate(timeout=SECONDS)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * PROCESSES, said
    happened: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT workspace, act FROM acts ORDER BY number")
        while rows := cursor.fetchmany(10_000):
            for workspace, act in rows:
                happened[oracles[workspace].act(json.loads(act) if isinstance(act, str) else act)] += 1
    assert happened.keys() >= {"allowed", "lowered", "refused", "extended", "settled", "released", "expired", "raised"}, (
        happened
    )
    print(happened)
    the_tables_say_the_same(oracles)


def the_tables_say_the_same(oracles: dict[int, Oracle]) -> None:
    spent = {(each.budget.public_id, each.scope_value): each.spent for each in BudgetWindow.objects.select_related("budget")}
    held = {(each.budget.public_id, each.scope_value): each.held for each in BudgetHeld.objects.select_related("budget")}
    for oracle in oracles.values():
        for name in oracle.spent.keys() | oracle.held.keys():
            assert (spent.get(name, 0), held.get(name, 0)) == (oracle.spent[name], oracle.held[name])
    expire_holds(datetime.now(UTC) + timedelta(days=2))
    assert not Hold.objects.filter(status=HoldStatus.LIVE).exists()
    assert {each.held for each in BudgetHeld.objects.all()} == {Decimal(0)}
