"""A person orders a job."""

from datetime import datetime
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError

from metering.errors import JobUnknown
from metering.jobs.declare import known_jobs
from metering.jobs.models import JobOrder
from metering.jobs.orders import LOST_AFTER, finish, send_order
from workspaces import audit


def order_job(job: str, actor: str, now: datetime, **arguments: Any) -> JobOrder:
    """Starts the job in this person's name. Raises what the broker raises; the order is withdrawn then. Raises JobUnknown."""
    if job not in known_jobs():
        raise JobUnknown(f"“{job}” is not a job that can be ordered: it starts only by its schedule or by a message.")
    with transaction.atomic():
        order = JobOrder.objects.create(
            job=job, ordered_by=actor, ordered_at=now, arguments=arguments, send_again_at=now + LOST_AFTER
        )
        audit.record(actor, "job.started", job, now=now, **arguments)
    try:
        send_order(order)
    except (OperationalError, OSError) as error:
        withdraw(order, actor, str(error), now)
        raise
    return order


def withdraw(order: JobOrder, actor: str, because: str, now: datetime) -> bool:
    """Finishes an order that no run carried out, and says why in the trail. Whether it was unfinished."""
    with transaction.atomic():
        if not finish(order, now):
            return False
        audit.record(actor, "job.not_started", order.job, now=now, order=order.public_id, because=because)
        return True
