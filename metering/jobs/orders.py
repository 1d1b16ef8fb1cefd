"""A person orders a job: the order is a row, and the message that starts the job names it."""

from datetime import datetime
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from metering.jobs.models import JobOrder
from workspaces import audit

LONGEST_ID = 32


def order_job(job: str, actor: str, now: datetime, **arguments: Any) -> JobOrder:
    """Starts the job in this person's name. Raises what the broker raises; the order is withdrawn then."""
    with transaction.atomic():
        order = JobOrder.objects.create(job=job, ordered_by=actor, ordered_at=now, arguments=arguments)
        audit.record(actor, "job.started", job, now=now, **arguments)
    try:
        current_app.send_task(job, kwargs={"order": order.public_id}, retry=False)
    except (OperationalError, OSError) as error:
        with transaction.atomic():
            JobOrder.objects.filter(pk=order.pk).update(finished_at=now)
            audit.record(actor, "job.not_started", job, now=now, because=str(error))
        raise
    return order


def ordered(job: str, order: Any) -> JobOrder | None:
    """The unfinished order of this job that a message names. A message is anybody's: what fits no row names none."""
    if not isinstance(order, str) or not 0 < len(order) <= LONGEST_ID or not order.isprintable():
        return None
    return JobOrder.objects.filter(public_id=order, job=job, finished_at__isnull=True).first()


def finish(order: JobOrder, now: datetime) -> None:
    JobOrder.objects.filter(pk=order.pk, finished_at__isnull=True).update(finished_at=now)
