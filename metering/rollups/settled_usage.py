"""Usage that was added up before, so that a balance or a preview reads some days and not a lifetime.

One row per workspace, which only readers write. Workers write none: usage of the last hours, which is nearly all of it, is
never settled. A worker that changes rollups of a day that may be settled shares the workspace's lock until the commit and takes
back what was settled of it, so that no reader adds up a day that is being changed.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from metering.periods import DAY, HOUR, floor_day
from metering.rollups.models import SettledUsage
from metering.rows import columns_of, fetch_together, instances_of
from omixa_billing.advisory_locks import LockClass, share_each, try_lock_number

# A day is settled when it ended a day ago; what is younger than half of that no worker has to take back, whatever the clocks.
SETTLED_AFTER = DAY
NEVER_SETTLED = timedelta(hours=12)
CLOCKS_AGREE = HOUR
WHOLE = ("until", "through", "sums", "basis")

# What is before `until` is as billed: a change there leaves nothing that could be built upon.
UNSETTLE = """
WITH changed AS (
    SELECT * FROM unnest(%s::int[], %s::timestamptz[]) AS changed (workspace_id, start)
), gone AS (
    DELETE FROM metering_settledusage settled USING changed
    WHERE settled.workspace_id = changed.workspace_id AND settled.until > changed.start
)
UPDATE metering_settledusage settled SET through = until, sums = '[]' FROM changed
WHERE settled.workspace_id = changed.workspace_id AND settled.until <= changed.start AND settled.through > changed.start
"""


SETTLED = f"""
SELECT {columns_of(SettledUsage, "settled")} FROM metering_settledusage settled WHERE workspace_id = ANY(%(workspaces)s)
"""  # noqa: S608 - columns


def settled_of(workspace_id: int) -> SettledUsage | None:
    (rows,) = fetch_together([SETTLED], {"workspaces": [workspace_id]})
    return settled_from(rows)


def settled_from(rows: Iterable[Sequence[Any]]) -> SettledUsage | None:
    """From the rows of SETTLED about one workspace."""
    for settled in instances_of(SettledUsage, rows):
        settled.sums = json.loads(settled.sums)
        return settled
    return None


def settled_through(now: datetime) -> datetime | None:
    """Up to which midnight usage may be settled; None for a `now` that is not the clock's."""
    return floor_day(now - SETTLED_AFTER) if abs(now - timezone.now()) < CLOCKS_AGREE else None


@transaction.atomic
def store_settled(workspace_id: int, add_up: Callable[[], Mapping[str, Any]]) -> bool:
    """Stores what `add_up()` reads of {"until", "through", "sums", "basis"}; False while a worker changes old days."""
    if not try_lock_number(LockClass.SETTLED_USAGE, workspace_id):
        return False
    found = add_up()
    if len(found) == len(WHOLE):
        SettledUsage.objects.update_or_create(pk=workspace_id, defaults=found)
    elif found:
        SettledUsage.objects.filter(pk=workspace_id).update(**found)
    return True


def oldest_unsettled() -> datetime:
    """Rollups from here on are never settled."""
    return timezone.now() - NEVER_SETTLED


def unsettle(changed: Iterable[tuple[int, datetime]]) -> None:
    """(workspace, instant) of rollups that the transaction changed before `oldest_unsettled`."""
    oldest: dict[int, datetime] = {}
    for workspace, start in changed:
        day = floor_day(start)
        oldest[workspace] = min(oldest.get(workspace, day), day)
    if oldest:
        workspaces = sorted(oldest)
        share_each(LockClass.SETTLED_USAGE, workspaces)
        with connection.cursor() as cursor:
            cursor.execute(UNSETTLE, [workspaces, [oldest[each] for each in workspaces]])
