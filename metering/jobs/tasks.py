"""What keeps the orders of jobs."""

from typing import Any

from django.utils import timezone

from metering.jobs.declare import job
from metering.jobs.lost_orders import send_lost_orders
from metering.jobs.run import Run


@job("metering.send_lost_orders")
def sweep_orders(run: Run) -> dict[str, Any]:
    """Sends ordered jobs again whose message was lost."""
    return send_lost_orders(timezone.now)
