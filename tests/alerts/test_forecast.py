"""Budgets that will not last, said once in a window."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core import mail

from metering.alerts.forecast import alert_to_forecasts, exceeded_budgets
from metering.limits.models import Budget, BudgetWindow
from metering.payments.mails.sending import send_waiting
from tests.alerts.cast import announced, mailed
from tests.kit.billing import at
from tests.kit.people import a_member
from tests.limits.cast import a_budget
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
FORECAST = "budget.forecast_exceeded"


def spent(budget: Budget, usd: str, start: datetime, value: str = "") -> None:
    BudgetWindow.objects.create(budget=budget, scope_value=value, start=start, spent=Decimal(usd))


def test_a_day_that_is_to_end_above_its_limit_is_alerted_to_once(acme: Workspace) -> None:
    a_member(acme, "owner")
    budget = a_budget(acme, "100", window="day")
    spent(budget, "60", at("10-15T00:00"))
    now = at("10-15T12:00")
    assert alert_to_forecasts(now) == {"exceeded": 1, "new": 1}
    assert alert_to_forecasts(now + timedelta(hours=1)) == {"exceeded": 1, "new": 0}
    assert announced(FORECAST) == [
        {
            "budget_id": budget.public_id,
            "scope": "workspace",
            "scope_id": None,
            "scope_value": None,
            "window": "day",
            "window_start": "2026-10-15T00:00:00Z",
            "resets_at": "2026-10-16T00:00:00Z",
            "spent": "60.000000000000",
            "forecast": "120.00",
            "limit": "100.00",
            "currency": "USD",
            "mode": "hard",
        }
    ]
    send_waiting(now)
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("A budget will not last", ["owner@acme.example"])
    assert "The forecast is 120.00 USD." in sent.body


@pytest.mark.parametrize(
    ("usd", "now", "forecast"),
    [
        ("20.01", "10-15T04:48", "100.05"),  # a fifth of the day
        ("99", "10-15T04:47", None),  # not yet
        ("20", "10-15T04:48", None),  # exactly the limit
        ("100", "10-15T12:00", None),  # reached, which is its own alert
        ("99.99", "10-15T23:59", "100.06"),
    ],
)
def test_it_is_a_straight_line_from_a_fifth_of_the_window_on(acme: Workspace, usd: str, now: str, forecast: str | None) -> None:
    budget = a_budget(acme, "100", window="day")
    spent(budget, usd, at("10-15T00:00"))
    found = [str(each.forecast.quantize(Decimal("0.01"))) for each in exceeded_budgets(at(now))]
    assert found == ([] if forecast is None else [forecast])


def test_windows_are_those_of_the_budgets_zone_as_long_as_they_are(acme: Workspace) -> None:
    """The day on which clocks go back in Berlin has 25 hours."""
    budget = a_budget(acme, "100", window="day", time_zone="Europe/Berlin")
    spent(budget, "50", at("10-24T22:00"))
    (found,) = exceeded_budgets(at("10-25T10:00"))
    assert (found.end, found.forecast.quantize(Decimal("0.01"))) == (at("10-25T23:00"), Decimal("104.17"))


@pytest.mark.parametrize("window", ["hour", "total"])
def test_hours_and_all_time_have_no_forecast(acme: Workspace, window: str) -> None:
    budget = a_budget(acme, "100", window=window)
    spent(budget, "99", at("10-15T12:00") if window == "hour" else at("01-01T00:00").replace(year=1970))
    assert exceeded_budgets(at("10-15T12:30")) == []


def test_of_a_budget_of_each_all_are_announced_and_one_is_mailed(acme: Workspace) -> None:
    budget = a_budget(acme, "100", "user", "*", window="week")
    for name in ("ann", "bob"):
        spent(budget, "90", at("10-12T00:00"), name)
    spent(budget, "10", at("10-12T00:00"), "eve")
    assert alert_to_forecasts(at("10-15T12:00")) == {"exceeded": 2, "new": 2}
    assert [each["scope_value"] for each in announced(FORECAST)] == ["ann", "bob"]
    assert [each["scope_value"] for each in mailed("budget_forecast")] == ["ann"]


def test_the_next_window_is_alerted_to_as_well(acme: Workspace) -> None:
    budget = a_budget(acme, "100", window="day")
    for day in (15, 16):
        spent(budget, "60", at(f"10-{day}T00:00"))
        alert_to_forecasts(at(f"10-{day}T12:00"))
    assert [each["window_start"][:10] for each in announced(FORECAST)] == ["2026-10-15", "2026-10-16"]
