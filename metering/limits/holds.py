"""What becomes of holds with time: they expire, and those that ended as they should are summed up and dropped."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from metering.limits.accounts import lock_account
from metering.limits.models import HAS_ENDED, Hold, HoldStatus, RefusedRequests
from workspaces.models import AccessChange

AT_ONCE = 1_000
# For so long the same request is answered as it was.
ANSWERED_FOR = timedelta(days=2)
# For so long a late event still settles an expired hold, as no older event is recorded (api.md).
UNACCOUNTED_FOR = timedelta(days=400)
REFUSED_FOR = timedelta(days=30)
CHANGES_FOR = timedelta(days=7)

DROP = f"""
WITH dropped AS (
    DELETE FROM metering_hold WHERE id IN (
        SELECT id FROM metering_hold WHERE {HAS_ENDED} AND ended_at < %s ORDER BY ended_at LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING gateway_id, workspace_id, (created_at AT TIME ZONE 'UTC')::date AS day, status, amount
), summed AS (
    INSERT INTO metering_holdday AS standing (gateway_id, workspace_id, day, status, requests, amount)
    SELECT gateway_id, workspace_id, day, status, count(*), sum(amount) FROM dropped GROUP BY 1, 2, 3, 4 ORDER BY 3, 1, 2, 4
    ON CONFLICT (day, gateway_id, workspace_id, status) DO UPDATE
        SET requests = standing.requests + EXCLUDED.requests, amount = standing.amount + EXCLUDED.amount
)
SELECT count(*) FROM dropped
"""  # noqa: S608 - constants


def expire_holds(now: datetime) -> int:
    """Ends every hold that has run out, a workspace at a time and so many at once, and returns how many."""
    due = Hold.objects.filter(status=HoldStatus.LIVE, expires_at__lte=now).order_by("workspace_id")
    return sum(_expire(workspace, now) for workspace in list(due.values_list("workspace_id", flat=True).distinct()))


def _expire(workspace_id: int, now: datetime) -> int:
    ended = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_account(workspace_id)
            cursor.execute("SELECT metering_expire_holds(%s, %s, %s)", [workspace_id, now, AT_ONCE])
            (count,) = cursor.fetchone()
        ended += count
        if count < AT_ONCE:
            return ended


def tidy_limits(now: datetime) -> dict[str, int]:
    """Drops what is past its time; counts by kind."""
    return {
        "holds": _drop_holds(now - ANSWERED_FOR),
        "unaccounted": Hold.objects.filter(status=HoldStatus.EXPIRED, created_at__lt=now - UNACCOUNTED_FOR).delete()[0],
        "refused": RefusedRequests.objects.filter(hour__lt=now - REFUSED_FOR).delete()[0],
        "changes": AccessChange.objects.filter(changed_at__lt=now - CHANGES_FOR).delete()[0],
    }


def _drop_holds(before: datetime) -> int:
    dropped = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(DROP, [before, AT_ONCE])
            (count,) = cursor.fetchone()
        dropped += count
        if count < AT_ONCE:
            return dropped
