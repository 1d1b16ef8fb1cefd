"""The Celery application as `make run` starts beat: it also looks after the inbox, since a broker may carry nothing."""

import threading
import time
from typing import Any

import structlog
from celery.signals import beat_init
from django.db import connection

from omixa_billing.celery import app

__all__ = ["app"]

log = structlog.get_logger(__name__)
SECONDS_BETWEEN_LOOKS = 5.0


@beat_init.connect
def look_after_the_inbox(**_: Any) -> None:
    threading.Thread(target=_look_for_ever, name="unreminded", daemon=True).start()


def _look_for_ever() -> None:
    from django.utils import timezone

    from metering.worker.unreminded import Unreminded

    unreminded = Unreminded()
    while True:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        try:
            unreminded.process(timezone.now)
        except Exception:  # the database may be away too: the next look finds it back
            log.exception("inbox_not_looked_after")
        finally:
            connection.close()
