"""What the tests of decisions share: a price that is easy to reckon with, and short ways to ask."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.limits.authorize import authorize
from metering.limits.budgets.change import set_budget
from metering.limits.gateway.requests import Authorize
from metering.limits.models import Budget, BudgetHeld, BudgetWindow
from tests.kit.factories import NOW, make_key, make_price, make_workspace
from workspaces.models import APIKey, Gateway, Workspace


def ask(key: APIKey, gateway: Gateway, request_id: str = "req_1", now: datetime | None = NOW, **asked: Any) -> dict[str, Any]:
    """1,000 tokens of input and up to 1,000 of output: 0.011 USD at the price of these tests."""
    wanted = {"model": "codex-mini", "input_tokens": 1000, "max_output_tokens": 1000, "key_id": key.public_id} | asked
    return authorize(Authorize(request_id=request_id, **wanted), gateway, now)


def a_key_to_a_dear_model() -> APIKey:
    """A token of `dear` costs 75 USD as input, and nothing as output."""
    make_price(model="dear", input="75000000", output="0")
    return make_key(make_workspace())


def a_budget(workspace: Workspace, limit: str, scope: str = "workspace", scope_id: str | None = None, **said: Any) -> Budget:
    said = {"window": "month", "actor": "test", "now": NOW} | said
    return set_budget(workspace, scope, scope_id, said.pop("window"), Decimal(limit), **said)


def kept(budget: Budget, value: str = "") -> tuple[Decimal, Decimal]:
    """What is spent in its latest window, and what is held."""
    window = BudgetWindow.objects.filter(budget=budget, scope_value=value).order_by("-start").first()
    live = BudgetHeld.objects.filter(budget=budget, scope_value=value).first()
    return Decimal(0) if window is None else window.spent, Decimal(0) if live is None else live.held
