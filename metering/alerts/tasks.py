"""What raises alerts on a schedule, and when reminded."""

from typing import Any

from django.utils import timezone

from metering.alerts.crossings import send_crossings
from metering.alerts.forecast import alert_to_forecasts
from metering.alerts.price_changes import announce_price_changes
from metering.alerts.spikes import alert_to_spikes
from metering.alerts.unaccounted import report_unaccounted
from metering.jobs.declare import job
from metering.jobs.run import Run
from metering.limits.crossed import TASK


@job(TASK, record_schedule=False)
def send_waiting_crossings(run: Run) -> dict[str, Any]:
    """Alerts to thresholds of budgets and levels of balances that were crossed."""
    return send_crossings(timezone.now())


@job("metering.detect_spikes")
def detect_spikes(run: Run) -> dict[str, Any]:
    """Alerts to keys that spend far more than usual, and freezes those whose workspace wants it."""
    return alert_to_spikes(timezone.now())


@job("metering.forecast_budgets")
def forecast_budgets(run: Run) -> dict[str, Any]:
    """Alerts to budgets that are used up before their window ends."""
    return alert_to_forecasts(timezone.now())


@job("metering.announce_prices")
def announce_prices(run: Run) -> dict[str, Any]:
    """Tells workspaces of prices that change within a month."""
    return announce_price_changes(timezone.now())


@job("metering.report_unaccounted")
def report_unaccounted_days(run: Run) -> dict[str, Any]:
    """Tells operators of days with requests that were allowed and never ended."""
    return report_unaccounted(timezone.now())
