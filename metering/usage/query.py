"""How much was used, by whom, when. Every reader of usage asks here: the API, the pages, the console.

    answer = usage(UsageQuestion(workspace, start, end, bucket="day", group_by=("model",)))
    answer.rows[0].start, answer.rows[0].groups["model"], answer.rows[0].cost, answer.total.cost

One statement in one snapshot, answered from rollups but for the edges within an hour. What rollups do not tell apart, end
users and minutes, is read from events, of which one question may concern only so many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from metering.components import place_of, sorted_components
from metering.errors import RangeTooLong, TooManyRows
from metering.money import WIDE
from metering.periods import DAY, HOUR, MINUTE, floor_hour, next_month
from metering.usage.filters import STATUS_WORDS, Filters, scope_of
from metering.usage.statement import COUNTS, END_USER, statement
from metering.usage.tiles import Grain, Tile, tiles
from omixa_billing.api.errors import InvalidParameter
from workspaces.models import APIKey, Workspace

BUCKETS = ("hour", "day", "month", "none")
GROUPS = ("model", "key_id", "service_tier", "provider", "status")
# What other stages ask for as well.
EVERY_BUCKET = ("minute", *BUCKETS)
MAX_ROWS = 50_000
MAX_EVENTS = 1_000_000  # one by one: about two seconds
MAX_HOURLY_RANGE = timedelta(days=400)
WITHOUT_SANDBOXES = "workspace_id NOT IN (SELECT id FROM workspaces_workspace WHERE sandbox)"


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """Usage of `workspace` in [start, end), UTC, per bucket and group. `own_key` narrows it to that key's usage, `users` to
    those end users'.

    Groups are GROUPS, `user` (the end user; empty where the gateway named none) and `price` (the public id of the price
    version; empty without one). `workspace` None means every workspace, which only `usage_of_all_workspaces` answers.
    """

    workspace: Workspace | None
    start: datetime
    end: datetime
    bucket: str = "none"
    group_by: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    own_key: APIKey | None = None
    users: tuple[str, ...] = ()

    @property
    def needs_events(self) -> bool:
        return self.bucket == "minute" or "user" in self.group_by or bool(self.users)


@dataclass(frozen=True, slots=True)
class Measures:
    """What is counted: cached input and cache write are parts of input, reasoning of output; cost is exact."""

    requests: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    unpriced_requests: int = 0
    cost: Decimal = Decimal(0)
    currency: str = "USD"
    # Of other components, by name, in the order of the list.
    others: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow(Measures):
    """One bucket and group: the bucket clipped to the asked range, and the groups by name in the asked order."""

    start: datetime
    end: datetime
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def position(self) -> tuple[datetime, tuple[str, ...]]:
        """What rows are ordered by, and no two share."""
        return self.start, tuple(self.groups.values())


@dataclass(frozen=True, slots=True)
class UsageAnswer:
    """Only buckets and groups with usage, ordered by start and groups; and the total, which they add up to."""

    question: UsageQuestion
    rows: list[UsageRow]
    total: UsageRow


def usage(question: UsageQuestion) -> UsageAnswer:
    """Usage of one workspace. Raises NotFound for a stranger's key, TooManyRows, RangeTooLong, InvalidParameter."""
    if question.workspace is None:
        raise ValueError("usage of every workspace is for operators: ask usage_of_all_workspaces")
    if "workspace" in question.group_by:
        raise InvalidParameter("One workspace cannot be grouped by workspace.", param="group_by")
    return _answer(question)


def usage_of_all_workspaces(question: UsageQuestion, *, sandboxes: bool = True) -> UsageAnswer:
    """For operators only: every workspace, groups may include `workspace` (its public id); start and end on full hours.

    Full hours, because the edges within one would read the events of everybody. Without `sandboxes` it is revenue.
    """
    if question.workspace is not None:
        raise ValueError("a question about one workspace belongs to usage")
    if any(instant.minute or instant.second or instant.microsecond for instant in (question.start, question.end)):
        raise ValueError("usage of every workspace starts and ends on a full hour")
    return _answer(question, () if sandboxes else (WITHOUT_SANDBOXES,))


def _answer(question: UsageQuestion, conditions: tuple[str, ...] = ()) -> UsageAnswer:
    _check(question)
    scope = scope_of(question.workspace, question.filters, question.own_key)
    scope = replace(scope, conditions=(*scope.conditions, *conditions))
    cut = tiles(question.start, question.end, whole_days=question.bucket != "hour")
    if question.needs_events:
        _check_events(question)
        cut = [Tile(Grain.EVENTS, question.start, question.end)]
    if question.users:
        of_users = (*scope.conditions, f"({END_USER}) = ANY(%(users)s)")
        scope = replace(scope, conditions=of_users, parameters=scope.parameters | {"users": list(question.users)})
    sql, parameters = statement(scope, cut, question.start, question.bucket, question.group_by, limit=MAX_ROWS + 1)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = _rows(question, cursor.fetchall())
    if len(rows) > MAX_ROWS:
        raise TooManyRows(f"The answer has more than {MAX_ROWS:,} rows: ask for less time, fewer groups or a larger bucket.")
    rows.sort(key=lambda row: row.position)
    return UsageAnswer(question, rows, usage_total(rows, question.start, question.end))


def _check(question: UsageQuestion) -> None:
    if question.start >= question.end:
        raise InvalidParameter("end is not after start.", param="end")
    if question.bucket not in EVERY_BUCKET:
        raise InvalidParameter(f"bucket is one of {', '.join(BUCKETS)}.", param="bucket")
    if question.bucket == "hour" and question.end - question.start > MAX_HOURLY_RANGE:
        raise RangeTooLong(f"By the hour at most {MAX_HOURLY_RANGE.days} days: ask for less, or by day.", param="end")


def events_to_read(question: UsageQuestion) -> int:
    """How many events the answer costs, by the hours that it touches: all of the workspace's, whatever the filters. 0 where
    rollups answer.
    """
    if not question.needs_events:
        return 0
    last = floor_hour(question.end)
    hours = UsageQuestion(question.workspace, floor_hour(question.start), last if last == question.end else last + HOUR)
    return _answer(hours).total.requests


def _check_events(question: UsageQuestion) -> None:
    """Raises RangeTooLong."""
    if events_to_read(question) > MAX_EVENTS:
        raise RangeTooLong(
            f"By the minute, or by end user, at most {MAX_EVENTS:,} requests of a workspace are read: ask for less time.",
            param="end",
        )


def _rows(question: UsageQuestion, found: list[tuple[Any, ...]]) -> list[UsageRow]:
    """Rows of the statement, with what each used of other components, which stand in rows of their own."""
    rows = [_row(question, columns) for columns in found if not columns[-2]]
    if len(rows) < len(found):
        whose = slice(1 + len(question.group_by))
        by_group = dict(zip((columns[whose] for columns in found if not columns[-2]), rows, strict=True))
        for columns in sorted((each for each in found if each[-2]), key=lambda each: place_of(each[-2])):
            *_, component, quantity = columns
            by_group[columns[whose]].others[component] = quantity
    return rows


def _row(question: UsageQuestion, columns: tuple[Any, ...]) -> UsageRow:
    """A row of the statement: bucket, groups, the counts, cost."""
    bucket, *groups = columns[: 1 + len(question.group_by)]
    *counts, cost = columns[1 + len(question.group_by) : -2]
    named = dict(zip(question.group_by, groups, strict=True))
    if "status" in named:
        named["status"] = STATUS_WORDS[named["status"]]
    return UsageRow(
        start=max(bucket, question.start),
        end=min(_bucket_end(question, bucket), question.end),
        groups=named,
        cost=cost,
        **dict(zip(COUNTS, counts, strict=True)),
    )


def _bucket_end(question: UsageQuestion, bucket: datetime) -> datetime:
    if question.bucket == "month":
        return next_month(bucket)
    return bucket + {"minute": MINUTE, "hour": HOUR, "day": DAY}[question.bucket] if question.bucket != "none" else question.end


def usage_total(rows: Iterable[UsageRow], start: datetime, end: datetime) -> UsageRow:
    """The rows' sum, exact, for the range they cover."""
    counts: dict[str, Any] = dict.fromkeys(COUNTS, 0)
    cost = Decimal(0)
    others: dict[str, int] = defaultdict(int)
    for row in rows:
        cost = WIDE.add(cost, row.cost)
        for name in COUNTS:
            counts[name] += getattr(row, name)
        for name, quantity in row.others.items():
            others[name] += quantity
    in_order = {name: others[name] for name in sorted_components(others)}
    return UsageRow(start=start, end=end, cost=cost, others=in_order, **counts)
