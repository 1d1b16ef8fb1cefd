"""What the quarantine holds: how many events for which reason, over time, and what they might bill.

Read from the newest rows up to a bound, so that a flood of bad events cannot take the page away from who has to deal with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Max

from metering.ingest.models import IS_OPEN, QuarantinedEventQuerySet
from metering.periods import DAY, floor_day

MOST = 100_000
DAYS = 30
CHARTED = 5
OTHERS = "other reasons"

BY_REASON = f"""
SELECT code, outcome, count(*), count(estimated_cost), coalesce(sum(estimated_cost), 0), min(created_at)
FROM (
    SELECT code, outcome, estimated_cost, created_at FROM metering_quarantinedevent
    WHERE {IS_OPEN} ORDER BY id DESC LIMIT %s
) AS newest
GROUP BY code, outcome ORDER BY count(*) DESC, code, outcome
"""  # noqa: S608 - a constant
BY_DAY = """
SELECT date_trunc('day', created_at, 'UTC') AS day, code, count(*)
FROM (
    SELECT created_at, code FROM metering_quarantinedevent WHERE created_at >= %s ORDER BY created_at DESC LIMIT %s
) AS newest
GROUP BY day, code
"""


class ReasonTotal(NamedTuple):
    """Open events of one reason. `estimate` is in exact USD and covers `estimated` of them."""

    code: str
    outcome: str
    events: int
    estimated: int
    estimate: Decimal
    oldest: datetime

    @property
    def unknown(self) -> int:
        return self.events - self.estimated


class Matching(NamedTuple):
    """How many, and the largest primary key among them; `events` stops at MOST + 1."""

    events: int
    newest: int


@dataclass(frozen=True, slots=True)
class OverTime:
    """Events quarantined per day, open or since settled. Each series has a number for every day."""

    days: list[datetime]
    series: dict[str, list[int]]
    cut_off: bool

    def rows(self) -> list[tuple[datetime, list[int], int]]:
        """Newest day first: (day, its number in each series, their sum)."""
        numbers = [[values[at] for values in self.series.values()] for at in range(len(self.days))]
        return [(day, row, sum(row)) for day, row in zip(self.days, numbers, strict=True) if any(row)][::-1]


def totals_by_reason() -> list[ReasonTotal]:
    """The open events, most first."""
    with connection.cursor() as cursor:
        cursor.execute(BY_REASON, [MOST])
        return [ReasonTotal(*row) for row in cursor.fetchall()]


def quarantined_by_day(now: datetime) -> OverTime:
    """The last DAYS days including today, the commonest reasons by name and the rest together."""
    today = floor_day(now)
    days = [today - DAY * back for back in reversed(range(DAYS))]
    with connection.cursor() as cursor:
        cursor.execute(BY_DAY, [days[0], MOST])
        rows = cursor.fetchall()
    totals: dict[str, int] = {}
    for _, code, events in rows:
        totals[code] = totals.get(code, 0) + events
    return OverTime(days, _series(days, rows, totals), sum(totals.values()) >= MOST)


def _series(days: Sequence[datetime], rows: list[Any], totals: dict[str, int]) -> dict[str, list[int]]:
    commonest = sorted(totals, key=lambda code: (-totals[code], code))
    named = commonest if len(commonest) <= CHARTED + 1 else commonest[:CHARTED]
    series = {code: [0] * len(days) for code in named}
    if len(named) < len(commonest):
        series[OTHERS] = [0] * len(days)
    positions = {day: at for at, day in enumerate(days)}
    for day, code, events in rows:
        if day in positions:
            series[code if code in series else OTHERS][positions[day]] += events
    return series


def matching_open(rows: QuarantinedEventQuerySet) -> Matching:
    """How many of these rows are open, up to a bound."""
    found = rows.open().order_by("-id").values("pk")[: MOST + 1]
    totals = found.aggregate(events=Count("pk"), newest=Max("pk"))
    return Matching(totals["events"], totals["newest"] or 0)
