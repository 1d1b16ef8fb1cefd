"""What runs by itself: notifications are delivered, and what is past its time goes."""

from typing import Any

from django.utils import timezone

from metering.jobs.declare import job
from metering.jobs.run import Run
from metering.notifications.announce import DELIVER
from metering.notifications.delivery.background import deliver_in_background
from metering.notifications.delivery.queue import deliveries_due, tidy_webhooks


@job(DELIVER, record_schedule=False)
def deliver_webhooks(run: Run) -> dict[str, Any]:
    """Sends what is due, in a thread of this process: the worker is free for other work meanwhile."""
    due, _ = deliveries_due(timezone.now())
    if due:
        deliver_in_background()
    return {"due": due}


@job("metering.tidy_webhooks")
def tidy_deliveries(run: Run) -> dict[str, Any]:
    """Drops deliveries that finished long ago, and notifications that nobody was notified of."""
    return tidy_webhooks(timezone.now())
