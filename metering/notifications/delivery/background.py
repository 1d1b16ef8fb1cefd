"""Delivers in a thread of a worker's process, so that the process is free for other work while endpoints take their time.

A process that is killed leaves what it was sending to the others: its leases run out, and it is sent again with the same id.
One that is asked to end waits for what it has begun.
"""

import threading
from queue import SimpleQueue
from typing import Any

import structlog
from celery.signals import worker_process_shutdown
from django.conf import settings
from django.db import connection
from django.utils import timezone

from metering.notifications.delivery.deliver import Events, deliver_due

log = structlog.get_logger(__name__)


class Deliverer(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="deliverer", daemon=True)
        self._events: Events = SimpleQueue()
        self._ends = threading.Event()

    def ask(self) -> None:
        if self._events.empty():  # what is in it is followed by a look at what is due
            self._events.put(None)

    def end(self) -> None:
        """Begins nothing more, and waits for what is on its way, as long as a request may take."""
        self._ends.set()
        self._events.put(None)
        self.join(settings.WEBHOOK_TIMEOUT_SECONDS + 1)

    def run(self) -> None:
        while not self._ends.is_set():
            self._events.get()
            try:
                deliver_due(timezone.now, self._events, ends=self._ends.is_set)
            except Exception:  # the sweep asks again; until then the database may be back
                log.exception("webhooks_not_delivered")
                self._events = SimpleQueue()  # answers of this run: what they are about is sent again
            finally:
                connection.close()


_deliverer: Deliverer | None = None
_start = threading.Lock()


def deliver_in_background() -> None:
    """Returns at once."""
    global _deliverer
    with _start:
        if _deliverer is None or not _deliverer.is_alive():  # a fork does not take threads along
            _deliverer = Deliverer()
            _deliverer.start()
    _deliverer.ask()


@worker_process_shutdown.connect
def stop_delivering(**signal: Any) -> None:
    if _deliverer is not None and _deliverer.is_alive():
        _deliverer.end()
