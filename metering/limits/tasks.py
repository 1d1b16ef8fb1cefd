"""What runs by itself: holds run out, and what is past its time goes."""

from typing import Any

from django.utils import timezone

from metering.jobs.declare import job
from metering.jobs.run import Run
from metering.limits.holds import expire_holds, tidy_limits


@job("metering.expire_holds", record_schedule=False)
def expire_held(run: Run) -> dict[str, Any]:
    """Frees what requests held that never ended."""
    return {"expired": expire_holds(timezone.now())}


@job("metering.tidy_holds")
def tidy_holds(run: Run) -> dict[str, Any]:
    """Sums up the holds that ended as they should, and drops what is past its time."""
    return tidy_limits(timezone.now())
