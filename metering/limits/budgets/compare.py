"""What is spent and held, worked out again from events, or their hourly sums, and live holds. The rows are kept equal to it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction

from metering.ingest.models import IS_BILLED
from metering.limits.accounts import lock_account
from metering.limits.models import IS_LIVE, Budget, BudgetHeld, BudgetWindow, LimitAccount, ThresholdCrossing
from metering.money import exact_text
from metering.periods import HOUR, Period, floor_hour
from omixa_billing.instants import LAST_INSTANT, instant_text

NOTHING = Decimal(0)

WINDOW = """
SELECT start, metering_window_end(%(window)s, %(zone)s, start)
FROM (SELECT metering_window_start(%(window)s, %(zone)s, %(at)s) AS start) AS begun
"""


class Source(NamedTuple):
    """How usage names what a scope counts: an expression of `used`, and the join it needs."""

    value: str
    join: str = ""


SOURCES = {
    Budget.Scope.WORKSPACE: Source("''"),
    Budget.Scope.KEY: Source("key.public_id", "JOIN workspaces_apikey key ON key.id = used.key_id"),
    Budget.Scope.MODEL: Source("model.slug", "JOIN metering_languagemodel model ON model.id = used.model_id"),
    Budget.Scope.USER: Source("left(used.detail::json ->> 'user', 512)"),
}
# Whole hours from their sums, and what is left of the window at both ends from events. Of end users there are no sums.
FROM_HOURS = f"""
SELECT {{value}} AS value, used.cost FROM metering_hourlyrollup used {{join}}
WHERE used.workspace_id = %(workspace)s AND used.hour >= %(first)s AND used.hour < %(last)s AND used.{IS_BILLED}
UNION ALL
"""  # noqa: S608 - constants
FROM_EVENTS = f"""
SELECT {{value}} AS value, used.cost FROM metering_usageevent used {{join}}
WHERE used.workspace_id = %(workspace)s AND used.{IS_BILLED} AND used.cost IS NOT NULL
  AND used.occurred_at >= %(start)s AND used.occurred_at < %(end)s
  AND (used.occurred_at < %(first)s OR used.occurred_at >= %(last)s)
"""  # noqa: S608 - constants
SPENT = """
SELECT value, sum(cost) FROM ({used}) AS used
WHERE value IS NOT NULL AND (%(scope)s = 'workspace' OR value <> '' AND %(scope_id)s IN ('*', value)) GROUP BY value
"""
HELD = f"""
SELECT metering_budget_value(%(scope)s, key.public_id, hold.model, hold."user"), sum(hold.amount)
FROM metering_hold hold JOIN workspaces_apikey key ON key.id = hold.key_id
WHERE hold.workspace_id = %(workspace)s AND hold.{IS_LIVE}
  AND metering_budget_covers(%(scope)s, %(scope_id)s, key.public_id, hold.model, hold."user")
GROUP BY 1
"""  # noqa: S608 - constants


class Recounted(NamedTuple):
    """Exact USD of one thing that a budget covers."""

    spent: Decimal = NOTHING
    held: Decimal = NOTHING


def window_at(budget: Budget, at: datetime) -> Period:
    """The budget's window that an instant lies in; one of all time ends with time."""
    with connection.cursor() as cursor:
        cursor.execute(WINDOW, {"window": budget.window, "zone": budget.time_zone, "at": at})
        start, end = cursor.fetchone()
    return Period(start, LAST_INSTANT if end is None else end)


def recounted(budget: Budget, window: Period) -> dict[str, Recounted]:
    """What was spent in the window and is held, by key, model or end user (empty: the workspace), from usage and live holds."""
    asked: dict[str, Any] = {
        "workspace": budget.workspace_id,
        "scope": budget.scope,
        "scope_id": budget.scope_id,
        "start": window.start,
        "end": window.end,
    } | _whole_hours(budget, window)
    source = SOURCES[Budget.Scope(budget.scope)]
    used = FROM_EVENTS if budget.scope == Budget.Scope.USER else FROM_HOURS + FROM_EVENTS
    with connection.cursor() as cursor:
        cursor.execute(SPENT.format(used=used.format(**source._asdict())), asked)
        found = {value: Recounted(spent=cost) for value, cost in cursor.fetchall()}
        cursor.execute(HELD, asked)
        for value, held in cursor.fetchall():
            found[value] = found.get(value, Recounted())._replace(held=held)
    return found


def _whole_hours(budget: Budget, window: Period) -> dict[str, datetime]:
    """The hours that lie within the window whole; none where events are read alone."""
    first = floor_hour(window.start + HOUR - timedelta(microseconds=1))
    last = floor_hour(window.end)
    if budget.scope == Budget.Scope.USER or first >= last:
        return {"first": window.end, "last": window.end}
    return {"first": first, "last": last}


def count_budget(budget: Budget, now: datetime) -> None:
    """Writes what its present window comes to, and notes the thresholds that are crossed already. The account is locked."""
    window = window_at(budget, now)
    found = recounted(budget, window)
    with transaction.atomic():
        BudgetWindow.objects.filter(budget=budget, start=window.start).exclude(scope_value__in=found).delete()
        BudgetWindow.objects.bulk_create(
            [
                BudgetWindow(budget=budget, scope_value=value, start=window.start, spent=each.spent)
                for value, each in sorted(found.items())
            ],
            update_conflicts=True,
            unique_fields=["budget", "scope_value", "start"],
            update_fields=["spent"],
        )
        BudgetHeld.objects.filter(budget=budget).delete()
        BudgetHeld.objects.bulk_create(
            [BudgetHeld(budget=budget, scope_value=value, held=each.held) for value, each in sorted(found.items()) if each.held]
        )
        ThresholdCrossing.objects.bulk_create(
            [
                ThresholdCrossing(
                    budget=budget,
                    scope_value=value,
                    start=window.start,
                    threshold=threshold,
                    spent=each.spent,
                    limit=budget.limit,
                    crossed_at=now,
                )
                for value, each in sorted(found.items())
                for threshold in budget.thresholds
                if each.spent > 0 and each.spent * 100 >= budget.limit * threshold
            ],
            ignore_conflicts=True,
        )


def rebuild_budgets(workspace_id: int, now: datetime) -> list[dict[str, Any]]:
    """Counts all of a workspace's budgets again, and tells what was different."""
    with transaction.atomic():
        lock_account(workspace_id)
        budgets = list(Budget.objects.filter(workspace=workspace_id))
        found = [difference for budget in budgets for difference in _differences(budget, now)]
        for budget in budgets:
            count_budget(budget, now)
    return found


def limit_differences(now: datetime, period: Period | None = None) -> Iterator[dict[str, Any]]:
    """Where what is kept is not what usage and live holds come to, in the windows of this moment; if that is in the period."""
    if period is not None and not period.start <= now < period.end:
        return
    for workspace_id in LimitAccount.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            account = lock_account(workspace_id)
            if account is None:
                continue
            for budget in Budget.objects.filter(workspace=workspace_id):
                yield from _differences(budget, now)
            yield from _balance_differences(account)


def _differences(budget: Budget, now: datetime) -> Iterator[dict[str, Any]]:
    window = window_at(budget, now)
    should = recounted(budget, window)
    spent = dict(BudgetWindow.objects.filter(budget=budget, start=window.start).values_list("scope_value", "spent"))
    held = dict(BudgetHeld.objects.filter(budget=budget).values_list("scope_value", "held"))
    for value in sorted(should.keys() | spent.keys() | held.keys()):
        expected = should.get(value, Recounted())
        found = Recounted(spent.get(value, NOTHING), held.get(value, NOTHING))
        for check, amount, other in (
            ("budget_spent_is_its_events", expected.spent, found.spent),
            ("budget_held_is_its_live_holds", expected.held, found.held),
        ):
            if amount != other:
                yield {
                    "check": check,
                    "budget": budget.public_id,
                    "of": value or None,
                    "start": instant_text(window.start),
                    "expected": exact_text(amount),
                    "found": exact_text(other),
                }


BALANCE_HELD = f"""
SELECT workspace.public_id, coalesce(sum(hold.balance_held), 0)
FROM workspaces_workspace workspace LEFT JOIN metering_hold hold ON hold.workspace_id = workspace.id AND hold.{IS_LIVE}
WHERE workspace.id = %s GROUP BY workspace.id
"""  # noqa: S608 - constants


def _balance_differences(account: LimitAccount) -> Iterator[dict[str, Any]]:
    if account.balance is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(BALANCE_HELD, [account.pk])
        workspace, held = cursor.fetchone()
    if held != account.held:
        yield {
            "check": "balance_held_is_its_live_holds",
            "workspace_id": workspace,
            "expected": exact_text(held),
            "found": exact_text(account.held),
        }
