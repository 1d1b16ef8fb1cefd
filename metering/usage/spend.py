"""Short answers about money: what a month has cost so far, and what each model cost per day, ready for a chart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from metering.money import WIDE
from metering.periods import DAY, HOUR, floor_day, floor_hour, floor_month, month_of, next_month
from metering.usage.query import UsageAnswer, UsageQuestion, usage
from omixa_billing.instants import FIRST_INSTANT
from workspaces.models import APIKey, Workspace

OTHER = "Other"
UNGROUPED = "All usage"
# The bucket an instant falls in, and the one that follows it.
BUCKETS: dict[str, tuple[Callable[[datetime], datetime], Callable[[datetime], datetime]]] = {
    "hour": (floor_hour, lambda start: start + HOUR),
    "day": (floor_day, lambda start: start + DAY),
    "month": (floor_month, next_month),
}


def month_spend(workspace: Workspace, now: datetime, key: APIKey | None = None) -> Decimal:
    """Exact USD spent in the UTC month of `now`, by the whole workspace or by one of its keys."""
    month = month_of(now)
    return usage(UsageQuestion(workspace, month.start, month.end, own_key=key)).total.cost


class SpendOfKey(NamedTuple):
    """Exact USD since ever, and since the month, the week (from Monday) and the day began in UTC."""

    total: Decimal
    month: Decimal
    week: Decimal
    day: Decimal


def key_spend(key: APIKey, now: datetime) -> SpendOfKey:
    month, today = month_of(now), floor_day(now)
    week = today - today.weekday() * DAY
    days = usage(UsageQuestion(key.workspace, FIRST_INSTANT, month.end, bucket="day", own_key=key)).rows

    def since(start: datetime) -> Decimal:
        return _sum([row.cost for row in days if row.start >= start])

    return SpendOfKey(since(FIRST_INSTANT), since(month.start), since(week), since(today))


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: exact USD per day of the chart, zero where there was none."""

    name: str
    values: list[Decimal]
    total: Decimal


@dataclass(frozen=True, slots=True)
class SpendChart:
    """The start of every day (or other bucket) of the range, and what each model (or other group) cost in it.

    Largest total first, small ones together as Other.
    """

    days: list[datetime]
    series: list[Series]


def spend_by_model(
    workspace: Workspace, start: datetime, end: datetime, own_key: APIKey | None = None, top: int = 8
) -> SpendChart:
    """The chart for the UTC days that [start, end) touches."""
    question = UsageQuestion(
        workspace, floor_day(start), _next_midnight(end), bucket="day", group_by=("model",), own_key=own_key
    )
    return chart_of(usage(question), top)


def chart_of(answer: UsageAnswer, top: int = 8) -> SpendChart:
    """A chart from any answer by hour, day or month and at most one group, such as the operator's of every workspace."""
    days = _bucket_starts(answer.question)
    at = {day: index for index, day in enumerate(days)}
    floor, _ = BUCKETS[answer.question.bucket]
    by_name: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(days))
    for row in answer.rows:
        by_name[next(iter(row.groups.values()), UNGROUPED)][at[floor(row.start)]] += row.cost
    ranked = sorted((_series(name, values) for name, values in by_name.items()), key=lambda each: (-each.total, each.name))
    if len(ranked) > top:
        rest = [_sum([series.values[day] for series in ranked[top - 1 :]]) for day in range(len(days))]
        ranked = [*ranked[: top - 1], _series(OTHER, rest)]
    return SpendChart(days, ranked)


def _series(name: str, values: list[Decimal]) -> Series:
    return Series(name, values, _sum(values))


def _sum(amounts: list[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = WIDE.add(total, amount)
    return total


def _bucket_starts(question: UsageQuestion) -> list[datetime]:
    floor, following = BUCKETS[question.bucket]
    starts = [floor(question.start)]
    while (start := following(starts[-1])) < question.end:
        starts.append(start)
    return starts


def _next_midnight(instant: datetime) -> datetime:
    midnight = floor_day(instant)
    return midnight if midnight == instant else midnight + DAY
