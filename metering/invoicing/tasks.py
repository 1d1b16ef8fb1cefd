"""Invoicing on a schedule."""

from typing import Any

from django.utils import timezone

from metering.errors import NotOrdered
from metering.invoicing.lifecycle import schedule
from metering.jobs.declare import job
from metering.jobs.run import Run
from metering.periods import parse_month

CLOSE_MONTH = "metering.close_month"


@job("metering.close_due_months")
def close_due_months(run: Run) -> dict[str, Any]:
    """Daily: refreshes the drafts of ended months that are in their grace; "Finalize invoices" numbers them after it."""
    return schedule.close_months_due(timezone.now(), finalize=False, progress=run.progress)


@job("metering.finalize_due_invoices")
def finalize_due_invoices(run: Run) -> dict[str, Any]:
    """Daily: finalizes the invoices of months whose grace is over."""
    return schedule.close_months_due(timezone.now(), progress=run.progress)


@job(CLOSE_MONTH)
def close_month(run: Run) -> dict[str, Any]:
    """Closes an ended month of every workspace, as an operator ordered in the console; without an order nothing."""
    if run.order is None:
        raise NotOrdered("A month is closed for every workspace by an operator's order, and this message names none.")
    month, finalize = parse_month(run.order.arguments["month"]), bool(run.order.arguments["finalize"])
    return schedule.close_for_all(month, timezone.now(), finalize, run.order.ordered_by, run.progress)
