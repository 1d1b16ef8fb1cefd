"""The Celery application as `make run` starts its workers: pool processes end with their worker, however that ends."""

import os
import signal
from typing import Any

from celery.signals import worker_process_init

from omixa_billing.celery import app
from omixa_billing.embedded.deathsig import die_with_parent

from .memory import collect_rarely

__all__ = ["app"]

POLITENESS = 5  # where there are too few processors for all, gateways come first: what they sent is safe, and recorded later

os.nice(POLITENESS)


@worker_process_init.connect
def prepare_process(**_: Any) -> None:
    die_with_parent(signal.SIGKILL)  # a task may die at any point; its transaction then never happened
    collect_rarely()
