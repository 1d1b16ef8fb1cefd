"""Invoicing on a schedule."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from metering.invoicing import schedule
from metering.jobs.run import SCHEDULE, counted
from metering.periods import parse_month


@shared_task(name="metering.close_due_months")
def close_due_months(started_by: str = SCHEDULE) -> dict[str, Any]:
    """Daily: refreshes the drafts of ended months that are in their grace; "Finalize invoices" numbers them after it."""
    return counted(
        "metering.close_due_months",
        started_by,
        lambda run: schedule.close_due_months(timezone.now(), finalize=False, progress=run.progress),
    )


@shared_task(name="metering.finalize_due_invoices")
def finalize_due_invoices(started_by: str = SCHEDULE) -> dict[str, Any]:
    """Daily: finalizes the invoices of months whose grace is over."""
    return counted(
        "metering.finalize_due_invoices",
        started_by,
        lambda run: schedule.close_due_months(timezone.now(), progress=run.progress),
    )


@shared_task(name="metering.close_month")
def close_month(month: str, finalize: bool = False, started_by: str = SCHEDULE) -> dict[str, Any]:
    """Closes an ended month, "YYYY-MM", of every workspace, as an operator asked in the console."""
    return counted(
        "metering.close_month",
        started_by,
        lambda run: schedule.close_for_all(parse_month(month), timezone.now(), finalize, started_by, run.progress),
    )
