"""The Celery application as `make run` starts its workers: pool processes end with their worker, however that ends."""

import signal
from typing import Any

from celery.signals import worker_process_init

from omixa_billing.celery import app
from omixa_billing.embedded.deathsig import die_with_parent

from .memory import collect_rarely

__all__ = ["app"]


@worker_process_init.connect
def prepare_process(**_: Any) -> None:
    die_with_parent(signal.SIGKILL)  # a task may die at any point; its transaction then never happened
    collect_rarely()
