"""What Celery runs. Each task makes one call; each may run twice, and twice at once, with the same result."""

from celery import shared_task
from django.utils import timezone

from metering.ingest.drain import process_failed, process_waiting
from metering.ingest.estimate import fill_estimates
from metering.invoicing.tasks import close_due_months
from metering.rollups.correct import process_corrections, process_failed_corrections
from metering.rollups.fold import fold_events
from metering.rollups.reprice import price_waiting

__all__ = ["close_due_months", "price_waiting_events", "process_waiting_batches", "sweep_inbox"]


@shared_task(name="metering.process_waiting_batches")
def process_waiting_batches() -> None:
    """Empties the inbox."""
    process_waiting(timezone.now, fold_events)
    process_corrections(timezone.now)


@shared_task(name="metering.sweep_inbox")
def sweep_inbox() -> None:
    """Takes up what no reminder came through for, and gives failed batches another try; then says what is held up."""
    process_waiting(timezone.now, fold_events)
    process_corrections(timezone.now)
    process_failed(timezone.now, fold_events)
    process_failed_corrections(timezone.now)
    fill_estimates()


@shared_task(name="metering.price_waiting_events")
def price_waiting_events() -> None:
    """Prices the events that waited for a price which now exists."""
    price_waiting()
