"""What the overview says of money: every workspace but the sandboxes, from the daily rollups."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from metering.periods import DAY, Period, floor_day, month_of, previous_month
from metering.usage.filters import Filters
from metering.usage.query import UsageQuestion, UsageRow, usage_of_all_workspaces, usage_total
from metering.usage.spend import Series, chart_of
from workspaces.models import Workspace

CHART_DAYS = 30
TOP = 5
CHART_MODELS = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """Usage of a period beside that of the one before it, and the name of the latter."""

    current: UsageRow
    before: UsageRow
    before_is: str


@dataclass(frozen=True, slots=True)
class Revenue:
    """Exact USD, requests and tokens. `series` add up to each day's spend."""

    today: Comparison
    month: Comparison
    days: list[datetime]
    series: list[Series]
    top_workspaces: list[tuple[Workspace, UsageRow]]
    top_models: list[UsageRow]


def revenue(now: datetime) -> Revenue:
    """As of `now`. A fixed number of statements, whatever there is."""
    today, tomorrow = floor_day(now), floor_day(now) + DAY
    month, chart = month_of(now), Period(tomorrow - CHART_DAYS * DAY, tomorrow)
    last_month = previous_month(month)
    so_far = Period(last_month.start, min(last_month.start + (tomorrow - month.start), last_month.end))
    daily = _ask(Period(min(last_month.start, chart.start), tomorrow), bucket="day")
    by_model = _ask(chart, "model")
    return Revenue(
        today=Comparison(_sum(daily, Period(today, tomorrow)), _sum(daily, Period(today - DAY, today)), "yesterday"),
        month=Comparison(_sum(daily, Period(month.start, tomorrow)), _sum(daily, so_far), _days_in_words(so_far)),
        days=[chart.start + number * DAY for number in range(CHART_DAYS)],
        series=_series(chart, daily, [row.groups["model"] for row in _largest(by_model)[:CHART_MODELS] if row.cost]),
        top_workspaces=_top_workspaces(Period(month.start, tomorrow)),
        top_models=_largest(_ask(Period(month.start, tomorrow), "model"))[:TOP],
    )


def _ask(period: Period, *groups: str, bucket: str = "none", filters: Filters | None = None) -> list[UsageRow]:
    return usage_of_all_workspaces(_question(period, *groups, bucket=bucket, filters=filters), sandboxes=False).rows


def _question(period: Period, *groups: str, bucket: str, filters: Filters | None) -> UsageQuestion:
    return UsageQuestion(None, period.start, period.end, bucket, groups, filters or Filters())


def _sum(rows: list[UsageRow], period: Period) -> UsageRow:
    within = [row for row in rows if period.start <= row.start < period.end]
    return usage_total(within, period.start, period.end)


def _largest(rows: list[UsageRow]) -> list[UsageRow]:
    return sorted(rows, key=lambda row: (-row.cost, -row.requests, row.position))


def _series(chart: Period, daily: list[UsageRow], models: list[str]) -> list[Series]:
    """One series per model, and what the others cost together where they cost anything."""
    if not models:
        return []
    question = _question(chart, "model", bucket="day", filters=Filters(model=tuple(models)))
    found = chart_of(usage_of_all_workspaces(question, sandboxes=False), top=CHART_MODELS)
    spend = {row.start: row.cost for row in daily}
    rest = [
        spend.get(day, Decimal(0)) - sum((series.values[at] for series in found.series), Decimal(0))
        for at, day in enumerate(found.days)
    ]
    others = [Series("Other models", rest, sum(rest, Decimal(0)))] if any(rest) else []
    return [*found.series, *others]


def _top_workspaces(period: Period) -> list[tuple[Workspace, UsageRow]]:
    rows = _largest(_ask(period, "workspace"))[:TOP]
    workspaces = {
        each.public_id: each for each in Workspace.objects.filter(public_id__in=[r.groups["workspace"] for r in rows])
    }
    return [(workspaces[row.groups["workspace"]], row) for row in rows]


def _days_in_words(period: Period) -> str:
    """`1 to 15 September`."""
    last = period.end - timedelta(microseconds=1)
    return f"{period.start.day} to {last.day} {period.start:%B}"
