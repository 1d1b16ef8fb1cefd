"""An order of a job is a row, and the message that starts the job names it."""

from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.db import transaction

from metering.jobs.models import JobOrder, JobRun

LONGEST_ID = 32
# A message that waits in a queue is not lost: a second one comes no sooner, and each later one after twice the time.
LOST_AFTER = timedelta(minutes=10)


def send_order(order: JobOrder) -> None:
    """Raises what the broker raises."""
    current_app.send_task(order.job, kwargs={"order": order.public_id}, retry=False)


def next_sending(order: JobOrder, now: datetime) -> datetime:
    """After as long as the order has waited already, so that an order that waits for a month is sent a dozen times."""
    return now + max(LOST_AFTER, now - order.ordered_at)


def find_order(job: str, order: Any) -> JobOrder | None:
    """The order of this job that a message names. A message is anybody's: what fits no row names none."""
    if not isinstance(order, str) or not 0 < len(order) <= LONGEST_ID or not order.isprintable():
        return None
    return JobOrder.objects.filter(public_id=order, job=job).first()


def begin_ordered_run(order: JobOrder, now: datetime) -> JobRun | None:
    """The run that carries the order out; None when one has done so, or does so now."""
    with transaction.atomic():
        held = JobOrder.objects.select_for_update().get(pk=order.pk)
        if held.finished_at is not None or (held.run is not None and JobRun.objects.alive(now).contains(held.run)):
            return None
        held.run = JobRun.objects.create(job=held.job, started_by=held.ordered_by, started_at=now)
        held.save(update_fields=["run"])
        return held.run


def finish(order: JobOrder, now: datetime) -> bool:
    """Whether it was unfinished."""
    return JobOrder.objects.unfinished().filter(pk=order.pk).update(finished_at=now) == 1
