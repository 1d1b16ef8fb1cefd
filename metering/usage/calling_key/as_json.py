"""The key that a request is made with: what it is, what it may ask for, what it has spent, and what its budgets have left.

Beside our own fields `data` has those by which clients of OpenRouter know a key; they read amounts as JSON numbers.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from metering.limits.budgets.as_json import budgets_json
from metering.limits.budgets.standing import Standing, budgets_of_key, standings
from metering.limits.gateway.check_key import models_of
from metering.limits.models import Budget
from metering.money import exact_text
from metering.periods import DAY, floor_day, month_of
from metering.usage.query import UsageQuestion, usage
from metering.usage.rows import CURRENCY
from omixa_billing.api.fields import json_number
from omixa_billing.instants import FIRST_INSTANT, instant_text
from workspaces.access.authentication import Caller
from workspaces.keys.limits import in_order
from workspaces.models import APIKey, Credential

NOTHING = Decimal(0)
# As OpenRouter names the windows after which a limit begins again; it has no word for the others.
RESETS = {Budget.Window.DAY: "daily", Budget.Window.WEEK: "weekly", Budget.Window.MONTH: "monthly"}
UNLIMITED: dict[str, Any] = {"requests": -1, "interval": "10s", "note": "Requests are limited by budgets."}


class SpendOfKey(NamedTuple):
    """Exact USD since ever, and since the month, the week (from Monday) and the day began in UTC."""

    total: Decimal
    month: Decimal
    week: Decimal
    day: Decimal


def calling_key_json(caller: Caller, key: APIKey, now: datetime) -> dict[str, Any]:
    spend = key_spend(key, now)
    budgets = list(budgets_of_key(key))
    return {
        "object": "api_key",
        "id": key.public_id,
        "name": key.name,
        "kind": key.kind,
        "scopes": in_order(key.scopes) if key.kind == APIKey.Kind.ADMIN else None,
        "models": models_of(key),
        "workspace": {"id": caller.workspace.public_id, "name": caller.workspace.name},
        "created_at": instant_text(key.created_at),
        "last_used_at": instant_text(key.last_used_at),
        "expires_at": instant_text(key.expires_at),
        "spend_this_month": exact_text(spend.month),
        "currency": CURRENCY,
        "budgets": budgets_json(budgets, now),
        "data": _openrouter_json(key, spend, _binding(budgets, now)),
    }


def key_spend(key: APIKey, now: datetime) -> SpendOfKey:
    month, today = month_of(now), floor_day(now)
    week = today - today.weekday() * DAY
    days = usage(UsageQuestion(key.workspace, FIRST_INSTANT, month.end, bucket="day", own_key=key)).rows

    def since(start: datetime) -> Decimal:
        return sum((row.cost for row in days if row.start >= start), NOTHING)

    return SpendOfKey(since(FIRST_INSTANT), since(month.start), since(week), since(today))


def _binding(budgets: list[Budget], now: datetime) -> tuple[Budget, Standing] | None:
    """Of those that refuse, the one that has least left."""
    hard = [budget for budget in budgets if budget.mode == Budget.Mode.HARD]
    found = standings(hard, now) if hard else {}
    return min(((budget, found[budget.pk]) for budget in hard), key=lambda each: _left(*each), default=None)


def _left(budget: Budget, standing: Standing) -> Decimal:
    return budget.limit - standing.spent - standing.held


def _openrouter_json(key: APIKey, spend: SpendOfKey, binding: tuple[Budget, Standing] | None) -> dict[str, Any]:
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
        "is_free_tier": False,
        "is_management_key": is_admin,
        "is_provisioning_key": is_admin,
        "creator_user_id": None,
        "expires_at": instant_text(key.expires_at),
        "rate_limit": UNLIMITED,
    }
