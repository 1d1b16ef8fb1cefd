"""Tells the workers that there is work. The work itself is in the database, so a reminder may be lost: beat sends it again."""

import structlog
from kombu.exceptions import OperationalError

from omixa_billing.celery import app

log = structlog.get_logger(__name__)


def remind(task: str) -> None:
    """Sends a task without arguments; when the broker is away, says so in the log and goes on."""
    try:
        app.send_task(task, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker_away", task=task, error=str(error))
