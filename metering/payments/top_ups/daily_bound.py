"""How often a day a workspace buys credit: by itself, and by people and programs. Each has a bound of its own.

A day is one of UTC. What is pending counts and what failed does not, so declines use nothing up. The caller holds the
workspace's row: purchases at the same time are counted one after the other and cannot pass the bound together.
"""

from datetime import UTC, datetime

from django.conf import settings

from metering.errors import TooManyTopUps
from metering.payments.models import TopUp
from metering.periods import DAY, floor_day


def bought_today(workspace_id: int, automatic: bool, now: datetime) -> int:
    """Top-ups begun since midnight UTC that are paid or may still be."""
    today = TopUp.objects.filter(workspace=workspace_id, automatic=automatic, created_at__gte=_midnight(now))
    return today.exclude(status=TopUp.Status.FAILED).count()


def check_bound_of_the_day(workspace_id: int, now: datetime) -> None:
    """Raises TooManyTopUps when the workspace has asked for as much as `TOP_UPS_PER_DAY` allows."""
    most = settings.TOP_UPS_PER_DAY
    if bought_today(workspace_id, False, now) < most:
        return
    until = _midnight(now) + DAY - now
    raise TooManyTopUps(
        f"This workspace may buy credit {most} times a day, and pending purchases count: buy more after midnight UTC, or pay "
        "a pending one.",
        param="amount",
        retry_after=int(until.total_seconds()) + 1,
    )


def _midnight(now: datetime) -> datetime:
    return floor_day(now.astimezone(UTC))
