"""Budgets that will not last: what is spent so far, carried on to the end of the window in a straight line, is above the limit.

Not before a fifth of the window has passed: until then an hour of work says more about the hour than about the window. Only
of days, weeks and months, and not once the limit itself is reached, which has an alert of its own.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection, transaction

from metering.alerts.crossings import short_name
from metering.limits.models import Budget
from metering.money import exact_text, plain_text, round_to_cents
from metering.notifications.announce import announce
from metering.payments.mails.outbox import add_notice, send_soon
from omixa_billing.instants import instant_text

WINDOWS = [Budget.Window.DAY.value, Budget.Window.WEEK.value, Budget.Window.MONTH.value]
LEAST_SHARE = Decimal("0.2")

EXCEEDED = """
SELECT budget.id, kept.scope_value, begun.start, ends.at, kept.spent, kept.spent * passed.whole / passed.seconds AS forecast
FROM metering_budget budget
CROSS JOIN LATERAL (SELECT metering_window_start(budget."window", budget.time_zone, %(now)s) AS start) begun
CROSS JOIN LATERAL (SELECT metering_window_end(budget."window", budget.time_zone, begun.start) AS at) ends
CROSS JOIN LATERAL (SELECT extract(epoch FROM ends.at - begun.start) AS whole,
                           extract(epoch FROM %(now)s::timestamptz - begun.start) AS seconds) passed
JOIN metering_budgetwindow kept ON kept.budget_id = budget.id AND kept.start = begun.start
WHERE budget."window" = ANY(%(windows)s) AND passed.seconds >= passed.whole * %(least)s AND kept.spent < budget."limit"
  AND kept.spent * passed.whole > budget."limit" * passed.seconds
ORDER BY budget.id, kept.scope_value
"""


class Forecast(NamedTuple):
    """Exact USD; `forecast` is what the whole window would come to."""

    budget_id: int
    scope_value: str
    start: datetime
    end: datetime
    spent: Decimal
    forecast: Decimal


def exceeded_budgets(now: datetime) -> list[Forecast]:
    """In one statement, from what is kept of the present windows."""
    with connection.cursor() as cursor:
        cursor.execute(EXCEEDED, {"now": now, "windows": WINDOWS, "least": LEAST_SHARE})
        return [Forecast(*row) for row in cursor.fetchall()]


def alert_to_forecasts(now: datetime) -> dict[str, int]:
    """Once in a window for each of what a budget covers. How many are exceeded, and how many of them are new."""
    found = exceeded_budgets(now)
    budgets = Budget.objects.select_related("workspace").in_bulk({each.budget_id for each in found})
    new = sum(_alert(budgets[each.budget_id], each, now) for each in found if each.budget_id in budgets)
    return {"exceeded": len(found), "new": new}


@transaction.atomic
def _alert(budget: Budget, found: Forecast, now: datetime) -> bool:
    data = {
        "budget_id": budget.public_id,
        "scope": budget.scope,
        "scope_id": budget.scope_id or None,
        "scope_value": found.scope_value or None,
        "window": budget.window,
        "window_start": instant_text(found.start),
        "resets_at": instant_text(found.end),
        "spent": exact_text(found.spent),
        "forecast": plain_text(round_to_cents(found.forecast)),
        "limit": plain_text(budget.limit),
        "currency": "USD",
        "mode": budget.mode,
    }
    key = f"{budget.public_id}:{short_name(found.scope_value)}:{data['window_start']}"
    if not announce(budget.workspace, "budget.forecast_exceeded", f"budget.forecast_exceeded:{key}", data, now):
        return False
    context = {name: "" if value is None else str(value) for name, value in data.items()}
    # Of a budget of each one mail tells of the first: the others are on its page, and each is announced.
    add_notice(budget.workspace, "budget_forecast", f"budget_forecast:{budget.public_id}:{data['window_start']}", context, now)
    send_soon()
    return True
