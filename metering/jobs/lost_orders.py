"""Orders whose message was lost are sent again: a process died before it sent, a broker lost its messages, or a worker was
killed at half way."""

from collections.abc import Callable
from datetime import datetime

import structlog
from kombu.exceptions import OperationalError

from metering.jobs.declare import known_jobs
from metering.jobs.models import JobOrder, JobRun
from metering.jobs.order_job import withdraw
from metering.jobs.orders import next_sending, send_order

log = structlog.get_logger(__name__)
ACTOR = "metering.send_lost_orders"
MOST_AT_ONCE = 100
UNKNOWN = "This release has no job of that name."


def send_lost_orders(clock: Callable[[], datetime]) -> dict[str, int]:
    """Sends what is due again, each by one of several sweeps at once; refuses what this release cannot carry out.

    An order whose job runs right now stays as it is: that run may be its own. (Of this job, a run always does.) Broker
    errors leave the order due, and count as `failed`.
    """
    counts = {"sent": 0, "refused": 0, "failed": 0}
    now = clock()
    running = JobRun.objects.alive(now).exclude(job=ACTOR).values("job")
    due = JobOrder.objects.unfinished().filter(send_again_at__lte=now).exclude(job__in=running)
    for order in due.order_by("send_again_at", "pk")[:MOST_AT_ONCE]:
        if order.job not in known_jobs():
            counts["refused"] += withdraw(order, ACTOR, UNKNOWN, now)
            continue
        try:
            counts["sent"] += _send_once(order, now)
        except (OperationalError, OSError) as error:
            log.warning("lost_order_not_sent", order=order.public_id, job=order.job, error=str(error))
            counts["failed"] += 1
            break  # the broker is away
    return counts


def _send_once(order: JobOrder, now: datetime) -> bool:
    """Whether this sweep sent it, and no other one."""
    due = order.send_again_at
    mine = JobOrder.objects.unfinished().filter(pk=order.pk)
    if not mine.filter(send_again_at=due).update(send_again_at=(later := next_sending(order, now))):
        return False
    try:
        send_order(order)
    except (OperationalError, OSError):
        mine.filter(send_again_at=later).update(send_again_at=due)
        raise
    log.info("lost_order_sent", order=order.public_id, job=order.job, ordered_by=order.ordered_by)
    return True
