"""Says that a run still lives, however long its single steps take: a run that was killed falls silent at once."""

import threading

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from metering.jobs.models import JobRun

log = structlog.get_logger(__name__)
SECONDS_BETWEEN_BEATS = 30.0


class Heartbeat(threading.Thread):
    """A thread with a connection of its own, which only a run of more than half a minute ever opens."""

    def __init__(self, run: int) -> None:
        super().__init__(name=f"heartbeat of run {run}", daemon=True)
        self._run = run
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_BEATS):
            try:
                JobRun.objects.filter(pk=self._run).update(seen_at=timezone.now())
            except DatabaseError as error:
                log.warning("heartbeat_not_recorded", run=self._run, error=str(error))
            finally:
                connection.close()

    def stop(self) -> None:
        self._over.set()
