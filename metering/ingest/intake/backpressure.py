"""Bounds the inbox: a gateway that sends faster than the workers work hears 429, and keeps its events a little longer."""

import math
import threading
import time

from django.conf import settings
from django.db import connection

from metering.errors import InboxFull

COUNT = "SELECT count(*) FROM (SELECT FROM metering_batch WHERE status = 'pending' LIMIT %s) AS waiting"
COUNT_EVERY = 1.0  # seconds
RETRY_AFTER = 5  # seconds


class Backlog:
    """How many batches wait, as one process knows it: counted now and then, and its own taken into account in between.

    Several processes together may go past the bound by what they take in within a second and what is being stored, no further.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self._waiting = 0
        self._counted_at = -math.inf

    def admit_one(self, most: int) -> bool:
        """Whether one more may come in."""
        with self._lock:
            stale = time.monotonic() - self._counted_at > COUNT_EVERY
            if not stale and self._waiting < most:
                self._waiting += 1
                return True
        waiting = _count(most)
        with self._lock:
            self._counted_at = time.monotonic()
            self._waiting = waiting + 1
            return waiting < most


backlog = Backlog()


def make_room() -> None:
    """Raises InboxFull when the bound is reached."""
    if not backlog.admit_one(settings.INGEST_MAX_WAITING_BATCHES):
        raise InboxFull("Too many batches wait for the workers: nothing was stored, send it again.", retry_after=RETRY_AFTER)


def _count(most: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [most])
        (waiting,) = cursor.fetchone()
    return int(waiting)
