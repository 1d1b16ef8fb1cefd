"""Tells the workers that there is work.

The work itself is in the database, so a reminder may be lost: beat sends it again. A reminder must not be held up by a
broker that is away or hangs, so after a failure this process reminds nobody for a while.
"""

import threading
import time
from collections import Counter

import structlog
from amqp.exceptions import MessageNacked
from kombu.exceptions import OperationalError

from omixa_billing.celery import app

log = structlog.get_logger(__name__)

QUIET_SECONDS = 5.0
SOON_SECONDS = 0.05
# A message, and the transaction that it leads to, cost as much as the work on a hundred events. While there is less to do than
# that, messages come no closer than this, but for the first after a pause.
ENOUGH = 100
PATIENT_SECONDS = 0.25
# Reminders come twenty times a second from every process, however long the workers have been busy with the first of them:
# later ones must not fill the broker, nor stand in the way of other tasks.
SOON_EXPIRES = 60.0
_quiet_until = 0.0


def remind(task: str, expires: float | None = None) -> None:
    """Sends a task without arguments; when the broker is away, says so in the log and returns.

    Nobody takes it up any more after `expires` seconds, where beat sends the same work as well.
    """
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return
    try:
        app.send_task(task, retry=False, expires=expires)
    except (OperationalError, OSError, MessageNacked) as error:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        log.warning("broker_away", task=task, error=str(error))


class Reminder(threading.Thread):
    """Sends for all who ask within a short time one task."""

    def __init__(self) -> None:
        super().__init__(name="reminder", daemon=True)
        self._asked: Counter[str] = Counter()  # tasks, and how much there is for each to do
        self._sent: dict[str, float] = {}
        self._sending = False
        self._changed = threading.Condition()

    def ask(self, task: str, much: int) -> None:
        with self._changed:
            self._asked[task] += much
            self._changed.notify_all()

    def run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked)
                due = self._due()
                for task in due:
                    del self._asked[task]
                self._sending = True
            try:
                for task in due:
                    remind(task, SOON_EXPIRES)
                    self._sent[task] = time.monotonic()
            finally:
                with self._changed:
                    self._sending = False
                    self._changed.notify_all()
            time.sleep(SOON_SECONDS)

    def forget(self) -> None:
        with self._changed:
            self._asked.clear()
            self._changed.wait_for(lambda: not self._sending)

    def _due(self) -> list[str]:
        """What is asked for, and enough of it, or not for the first time in a moment."""
        patient = time.monotonic() - PATIENT_SECONDS
        return sorted(task for task, much in self._asked.items() if much >= ENOUGH or self._sent.get(task, 0) <= patient)


_reminder: Reminder | None = None
_start = threading.Lock()


def remind_soon(task: str, much: int = ENOUGH) -> None:
    """The same within 50 ms and without waiting for the broker, once for all that ask meanwhile.

    `much` is how much there is to do, in events: a stream of small things is worth less haste. For processes that live on: one
    that ends at once takes the reminder with it.
    """
    global _reminder
    with _start:
        if _reminder is None or not _reminder.is_alive():  # a fork does not take threads along
            _reminder = Reminder()
            _reminder.start()
    _reminder.ask(task, much)


def forget_asked() -> None:
    """Sends nothing more of what was asked for; when this returns, nothing is being sent either. Brokers count as back."""
    global _quiet_until
    with _start:
        if _reminder is not None and _reminder.is_alive():
            _reminder.forget()
    _quiet_until = 0.0
