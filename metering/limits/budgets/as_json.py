"""A budget as the API and the commands show it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.limits.budgets.compare import window_at
from metering.limits.models import EACH, Budget, BudgetWindow
from metering.money import exact_text, plain_text
from metering.periods import Period
from omixa_billing.instants import LAST_INSTANT, instant_text


def budget_json(budget: Budget, now: datetime) -> dict[str, Any]:
    """With what is spent and held in its present window. A budget of each shows the one that has least left, as `nearest`."""
    window = window_at(budget, now)
    standing = nearest(BudgetWindow.objects.filter(budget=budget, start=window.start))
    spent, held = (Decimal(0), Decimal(0)) if standing is None else (standing.spent, standing.held)
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
        "spent": exact_text(spent),
        "held": exact_text(held),
        "remaining": plain_text(budget.limit - spent - held),
        "nearest": standing.scope_value if standing is not None and budget.scope_id == EACH else None,
        "window_start": instant_text(window.start),
        "resets_at": _end(window),
        "would_have_refused": 0 if standing is None else standing.would_have_refused,
        "created_at": instant_text(budget.created_at),
    }


def nearest(windows: Iterable[BudgetWindow]) -> BudgetWindow | None:
    """Of the rows of one window the one that has least left."""
    return max(windows, key=lambda each: (each.spent + each.held, each.scope_value), default=None)


def _end(window: Period) -> str | None:
    """Null for all time."""
    return None if window.end == LAST_INSTANT else instant_text(window.end)
