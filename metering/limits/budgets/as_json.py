"""A budget as the API and the commands show it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from metering.limits.budgets.standing import Standing, standings
from metering.limits.models import EACH, Budget
from metering.money import exact_text, plain_text
from omixa_billing.instants import instant_text


def budget_json(budget: Budget, now: datetime) -> dict[str, Any]:
    """One budget as `budgets_json` has it."""
    [found] = budgets_json([budget], now)
    return found


def budgets_json(budgets: Iterable[Budget], now: datetime) -> list[dict[str, Any]]:
    """Budgets with what is spent and held in the current window; a budget of each also with the one that has least left."""
    found = list(budgets)
    standing = standings(found, now)
    return [_as_json(budget, standing[budget.pk]) for budget in found]


def _as_json(budget: Budget, standing: Standing) -> dict[str, Any]:
    return {
        "object": "budget",
        "id": budget.public_id,
        "workspace_id": budget.workspace.public_id,
        "scope": budget.scope,
        "scope_id": budget.scope_id or None,
        "window": budget.window,
        "time_zone": budget.time_zone,
        "limit": plain_text(budget.limit),
        "currency": "USD",
        "mode": budget.mode,
        "thresholds": budget.thresholds,
        "spent": exact_text(standing.spent),
        "held": exact_text(standing.held),
        "remaining": plain_text(budget.limit - standing.spent - standing.held),
        "nearest": standing.nearest if budget.scope_id == EACH else None,
        "window_start": instant_text(standing.start),
        "resets_at": instant_text(standing.end),
        "would_have_refused": standing.would_have_refused,
        "created_at": instant_text(budget.created_at),
    }
