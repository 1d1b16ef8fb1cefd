"""Records what waits although nobody was reminded of it, without asking the broker: that may be away, or up and deaf.

Reminders and the sweep go through one broker. While it carries nothing, workers hear of nothing.
"""

from datetime import datetime, timedelta

import structlog

from metering.ingest.models import Batch
from metering.worker.corrections import process_corrections
from metering.worker.events import process_waiting
from omixa_billing.instants import Clock

log = structlog.get_logger(__name__)

PATIENCE = timedelta(seconds=30)  # three sweeps, of which none came through


class Unreminded:
    """One looker. What it saw before tells it whether workers get on: then the oldest batch is another."""

    def __init__(self) -> None:
        self._oldest: tuple[int, datetime] | None = None

    def process(self, now: Clock) -> int:
        """Processes what waits, if the oldest waits too long and was the oldest at the look before. How many batches."""
        before, self._oldest = self._oldest, Batch.objects.fresh().order_by("id").values_list("id", "received_at").first()
        if self._oldest is None or self._oldest != before or self._oldest[1] > now() - PATIENCE:
            return 0
        batches = process_waiting(now) + process_corrections(now)
        if batches:
            log.warning("processed_without_broker", batches=batches)
        return batches
