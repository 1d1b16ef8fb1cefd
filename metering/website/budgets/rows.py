"""Budgets as pages show them: for what they are, in words, and how far they are used, as a bar."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.limits.budgets.standing import Standing, standings
from metering.limits.models import EACH, Budget
from workspaces.models import APIKey

NAMES = {Budget.Scope.KEY: "Key", Budget.Scope.MODEL: "Model", Budget.Scope.USER: "End user"}
PER = {
    Budget.Window.HOUR: "an hour",
    Budget.Window.DAY: "a day",
    Budget.Window.WEEK: "a week",
    Budget.Window.MONTH: "a month",
    Budget.Window.TOTAL: "for all time",
}
MODES = {
    Budget.Mode.HARD: "Refuses requests",
    Budget.Mode.SOFT: "Alerts only",
    Budget.Mode.SHADOW: "Only counts what it would refuse",
}
WHOLE = Decimal(100)


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """Shares are percent of the limit, cut off where the bar ends: `spent_share` and `held_share` are at most 100 together."""

    budget: Budget
    standing: Standing
    name: str
    per: str
    mode: str
    left: Decimal
    spent_share: Decimal
    held_share: Decimal

    @property
    def of(self) -> str:
        """Of a budget of each: the one that the amounts are of."""
        return (self.standing.nearest or "") if self.budget.scope_id == EACH else ""

    @property
    def is_used_up(self) -> bool:
        return self.left <= 0

    @property
    def thresholds(self) -> str:
        return ", ".join(f"{each} %" for each in self.budget.thresholds)


def budget_rows(budgets: Collection[Budget], now: datetime) -> list[BudgetRow]:
    keys = {budget.scope_id for budget in budgets if budget.scope == Budget.Scope.KEY}
    names = dict(APIKey.objects.filter(public_id__in=keys).values_list("public_id", "name")) if keys else {}
    found = standings(budgets, now) if budgets else {}
    return [_row(budget, found[budget.pk], names) for budget in budgets]


def budget_name(budget: Budget, key_names: dict[str, str]) -> str:
    if budget.scope == Budget.Scope.WORKSPACE:
        return "Whole workspace"
    kind = NAMES[Budget.Scope(budget.scope)]
    if budget.scope_id == EACH:
        return f"Each {kind.lower()}"
    return f"{kind} {key_names.get(budget.scope_id, budget.scope_id)}"


def _row(budget: Budget, standing: Standing, names: dict[str, str]) -> BudgetRow:
    spent = _share(standing.spent, budget.limit)
    return BudgetRow(
        budget,
        standing,
        budget_name(budget, names),
        PER[Budget.Window(budget.window)],
        MODES[Budget.Mode(budget.mode)],
        budget.limit - standing.spent - standing.held,
        spent,
        min(_share(standing.held, budget.limit), WHOLE - spent),
    )


def _share(amount: Decimal, limit: Decimal) -> Decimal:
    """Percent with one place, from 0 to 100. Of nothing everything is all of it."""
    if amount <= 0:
        return Decimal(0)
    return WHOLE if amount >= limit else (amount * 100 / limit).quantize(Decimal("0.1"))
