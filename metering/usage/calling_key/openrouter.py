"""A key as clients of OpenRouter read it: at `GET /api/v1/key` under `data`, and at OpenRouter's own address.

Amounts are JSON numbers. A hard budget is what bounds a key there; those by model or end user depend on the request.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.limits.budgets.standing import Standing, standings
from metering.limits.models import Budget
from metering.usage.spend import SpendOfKey
from omixa_billing.api.fields import json_number
from omixa_billing.instants import instant_text
from workspaces.models import APIKey, Credential

NOTHING = Decimal(0)
# As OpenRouter names the windows after which a limit begins again; it has no word for the others.
RESETS = {Budget.Window.DAY: "daily", Budget.Window.WEEK: "weekly", Budget.Window.MONTH: "monthly"}
SCOPES = {Budget.Scope.WORKSPACE: "workspace", Budget.Scope.KEY: "key_limit"}
UNLIMITED: dict[str, Any] = {"requests": -1, "interval": "10s", "note": "Requests are limited by budgets."}
NO_FREE_MODELS = {"limit": 0, "remaining": 0, "used": 0}

Bound = tuple[Budget, Standing]


def openrouter_key_json(key: APIKey, spend: SpendOfKey, budgets: Sequence[Budget], now: datetime) -> dict[str, Any]:
    """`budgets` are those that cover every request of the key."""
    bounds = _hard(budgets, now)
    binding = min(bounds, key=lambda each: _left(*each), default=None)
    newest = Credential.objects.filter(api_key=key).order_by("-pk").first()
    is_admin = key.kind == APIKey.Kind.ADMIN
    return {
        "label": key.name if newest is None else f"{newest.prefix}...{newest.last_four}",
        "limit": None if binding is None else json_number(binding[0].limit),
        "limit_reset": None if binding is None else RESETS.get(Budget.Window(binding[0].window)),
        "limit_remaining": None if binding is None else json_number(max(_left(*binding), NOTHING)),
        "include_byok_in_limit": False,
        "usage": json_number(spend.total),
        "usage_daily": json_number(spend.day),
        "usage_weekly": json_number(spend.week),
        "usage_monthly": json_number(spend.month),
        "byok_usage": 0,
        "byok_usage_daily": 0,
        "byok_usage_weekly": 0,
        "byok_usage_monthly": 0,
        "budgets": [_budget_json(*bound) for bound in bounds],
        "effective_budget": None if binding is None else _budget_json(*binding),
        "is_free_tier": False,
        "is_management_key": is_admin,
        "is_provisioning_key": is_admin,
        "allowed_data_regions": ["global"],
        "free_model_daily_requests": NO_FREE_MODELS,
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": key.workspace.public_id,
        "expires_at": instant_text(key.expires_at),
        "rate_limit": UNLIMITED,
    }


def _hard(budgets: Sequence[Budget], now: datetime) -> list[Bound]:
    hard = [budget for budget in budgets if budget.mode == Budget.Mode.HARD]
    found = standings(hard, now) if hard else {}
    return [(budget, found[budget.pk]) for budget in hard]


def _left(budget: Budget, standing: Standing) -> Decimal:
    return budget.limit - standing.spent - standing.held


def _budget_json(budget: Budget, standing: Standing) -> dict[str, Any]:
    """What is held for running requests counts as spent, as it does when the next one is decided."""
    window = Budget.Window(budget.window)
    return {
        "scope": SCOPES[Budget.Scope(budget.scope)],
        "budget_id": budget.public_id,
        "guardrail_id": None,
        "include_byok": False,
        "limit_usd": json_number(budget.limit),
        "spend_usd": json_number(standing.spent + standing.held),
        "remaining_usd": json_number(_left(budget, standing)),
        "reset_interval": None if standing.end is None else RESETS.get(window, "hourly"),
        "resets_at": instant_text(standing.end),
    }
