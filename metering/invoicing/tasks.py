"""Invoicing on a schedule."""

from celery import shared_task
from django.utils import timezone

from metering.invoicing import schedule


@shared_task(name="metering.close_due_months")
def close_due_months() -> dict[str, int]:
    """Daily. A run that was missed or died half way is made up for by the next."""
    return schedule.close_due_months(timezone.now())
