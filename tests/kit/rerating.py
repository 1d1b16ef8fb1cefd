"""Usage that was rated by a wrong price, and what rating it again makes of it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

from django.core.management import call_command

from metering.catalogue.models import PriceVersion
from metering.catalogue.set_price import set_price
from metering.invoicing.explaining.rerating import planned_months
from metering.periods import Period, month_of, parse_month
from metering.reconcile.corrections import correction_differences
from metering.revisions.rerating.jobs import order_rerating
from metering.revisions.rerating.plan import plan_rerating, scope_for
from metering.rollups.compare import rollup_differences
from metering.rollups.models import Rerating
from tests.kit.factories import NOW, make_model
from workspaces.models import Workspace

OCTOBER_FIRST = datetime(2026, 10, 1, tzinfo=UTC)

MILLION = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}


def correct_price(model: str = "codex-mini", input: str = "2", **more: Any) -> PriceVersion:
    """codex-mini at `input` USD per million from 1 October on, cached input and output as they were."""
    given = {"cached_input": Decimal("0.375"), "output": Decimal(6), "effective_from": OCTOBER_FIRST} | more
    return set_price(model, input=Decimal(input), actor="test", now=NOW, **given)


def planned(start: datetime = OCTOBER_FIRST, **more: Any) -> list[tuple[str, int, str, str]]:
    """(month, requests, cost before, cost after) of a dry run over every model and workspace."""
    months = planned_months(plan_rerating(scope_for(None, None, start, None, NOW)))
    return [(row["month"], row["requests"], short(row["cost_before"]), short(row["cost_after"])) for row in months]


def short(cost: str) -> str:
    return f"{Decimal(cost).normalize():f}"


def ordered(start: datetime = OCTOBER_FIRST, model: str | None = None, workspace: Workspace | None = None) -> Rerating:
    """An order that nobody has begun."""
    found = None if model is None else make_model(model)
    scope = scope_for(found, workspace, start, None, NOW)
    months = planned_months(plan_rerating(scope))
    return order_rerating(found, workspace, scope, reason="a wrong price", plan=months, actor="op@omixa.example", now=NOW)


def everything_agrees(*months: Period) -> bool:
    found = [
        each
        for month in months or (parse_month("2026-09"), month_of(NOW))
        for grain in ("hour", "day")
        for each in rollup_differences(grain, month).first
    ]
    assert found + correction_differences(None) == []
    return True


def run(*arguments: str) -> dict[str, Any]:
    """The object that a management command prints."""
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed
