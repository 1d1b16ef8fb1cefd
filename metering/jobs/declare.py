"""What a job is: a Celery task that leaves a run, and that a person may order. Each is declared where it is defined."""

from collections.abc import Callable
from functools import cache
from typing import Any

from celery import current_app, shared_task

from metering.jobs.models import JobRun
from metering.jobs.orders import find_order
from metering.jobs.run import Run, counted

_declared: set[str] = set()


def job(name: str, *, record_schedule: bool = True) -> Callable[[Callable[[Run], dict[str, Any]]], Any]:
    """Makes a job of a function from its run to its counts. Its only argument in a message is the id of a person's order.

    Without `record_schedule` a row is kept only of what a person ordered, for what runs many times a second.
    """

    def declare(act: Callable[[Run], dict[str, Any]]) -> Any:
        def task(order: Any = None) -> dict[str, Any]:
            if not record_schedule and find_order(name, order) is None:
                return act(Run(JobRun(job=name)))
            return counted(name, order, act)

        task.__name__, task.__qualname__, task.__module__ = act.__name__, act.__qualname__, act.__module__
        task.__doc__ = act.__doc__
        _declared.add(name)
        return shared_task(name=name)(task)

    return declare


@cache
def known_jobs() -> frozenset[str]:
    """The names of all jobs. A web server's process loads them here: only workers do so by themselves."""
    current_app.loader.import_default_modules()
    return frozenset(_declared)
