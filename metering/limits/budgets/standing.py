"""What budgets have spent and held in their current windows. A budget of each model or user shows the one with least left."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import Q, QuerySet

from metering.limits.models import Budget
from workspaces.models import APIKey

STANDINGS = """
SELECT budget.id, begun.start, metering_window_end(budget."window", budget.time_zone, begun.start),
       coalesce(nearest.spent, 0), coalesce(nearest.held, 0), nearest.scope_value, shadow.requests, shadow.usd
FROM metering_budget budget
CROSS JOIN LATERAL (SELECT metering_window_start(budget."window", budget.time_zone, %(at)s) AS start) begun
LEFT JOIN LATERAL (
    SELECT scope_value, coalesce(kept.spent, 0) AS spent, coalesce(live.held, 0) AS held
    FROM (SELECT scope_value, spent FROM metering_budgetwindow WHERE budget_id = budget.id AND start = begun.start) kept
    FULL JOIN (SELECT scope_value, held FROM metering_budgetheld WHERE budget_id = budget.id AND held <> 0) live
        USING (scope_value)
    ORDER BY coalesce(kept.spent, 0) + coalesce(live.held, 0) DESC, scope_value DESC LIMIT 1
) nearest ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(kept.would_have_refused), 0)::bigint AS requests, coalesce(sum(kept.would_have_refused_usd), 0) AS usd
    FROM metering_budgetwindow kept WHERE kept.budget_id = budget.id AND kept.start = begun.start
) shadow
WHERE budget.id = ANY(%(budgets)s)
"""


class Standing(NamedTuple):
    """Exact USD. `end` is null for all time; `nearest` is a key, model or end user, null where nothing was used yet."""

    start: datetime
    end: datetime | None
    spent: Decimal
    held: Decimal
    nearest: str | None
    would_have_refused: int
    would_have_refused_usd: Decimal


def standings(budgets: Collection[Budget], now: datetime) -> dict[int, Standing]:
    """Each budget's standing by its primary key, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(STANDINGS, {"at": now, "budgets": [budget.pk for budget in budgets]})
        return {row[0]: Standing(*row[1:]) for row in cursor.fetchall()}


def budgets_of_key(key: APIKey) -> QuerySet[Budget]:
    """Those that cover every request of the key: its own, and its workspace's. Others depend on the request."""
    covers = Q(scope=Budget.Scope.WORKSPACE) | Q(scope=Budget.Scope.KEY, scope_id=key.public_id)
    return Budget.objects.filter(covers, workspace=key.workspace_id).select_related("workspace").order_by("pk")
