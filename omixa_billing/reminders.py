"""Tells the workers that there is work.

The work itself is in the database, so a reminder may be lost: beat sends it again. Whoever reminds must not be held up by a
broker that is away or hangs, so after a failure this process reminds nobody for a while.
"""

import time

import structlog
from kombu.exceptions import OperationalError

from omixa_billing.celery import app

log = structlog.get_logger(__name__)

QUIET_SECONDS = 5.0
_quiet_until = 0.0


def remind(task: str) -> None:
    """Sends a task without arguments; when the broker is away, says so in the log and goes on."""
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return
    try:
        app.send_task(task, retry=False)
    except (OperationalError, OSError) as error:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        log.warning("broker_away", task=task, error=str(error))
