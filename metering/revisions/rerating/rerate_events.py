"""Rates recorded events again, a transaction's worth at a time: the one way for re-ratings, their dry runs and first prices."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection

from metering.ingest.models import EventStatus
from metering.pricing.outlook import outlook_of
from metering.pricing.rates import RateTable
from metering.revisions.change_events import EventChange
from metering.revisions.rerating.intervals import Interval, RatingPosition, RatingScope, intervals_of
from metering.revisions.stored_events import COLUMNS, Stored, rated, read

EVENTS_PER_TRANSACTION = 5_000
INTERVALS_PER_TRANSACTION = 100

# No condition on what another transaction may change: a row that changed while it was waited for must not be missing, or
# its interval would seem to end there. Of unpriced ones it may: what is skipped is taken up the next time.
EVENTS = """
SELECT {columns}
FROM metering_usageevent event JOIN metering_servicetier tier ON tier.id = event.service_tier_id
WHERE event.workspace_id = %(workspace)s AND event.occurred_at >= %(start)s AND event.occurred_at < %(end)s{conditions}
ORDER BY event.occurred_at, event.id LIMIT %(limit)s{locking}
"""


class EventsToRate(NamedTuple):
    """Events to rate again, and where to continue; None at the end."""

    events: list[Stored]
    next: RatingPosition | None


def next_events(scope: RatingScope, rates: RateTable, after: RatingPosition, *, lock: bool) -> EventsToRate:
    """The next events of the scope that could change. With `lock` they are held until the transaction ends."""
    events: list[Stored] = []
    for number, interval in enumerate(intervals_of(scope, outlook_of(rates), after)):
        if number == INTERVALS_PER_TRANSACTION:
            return EventsToRate(events, RatingPosition(interval.workspace_id, interval.start, 0))
        missing = EVENTS_PER_TRANSACTION - len(events)
        found = _events_in(interval, scope, after, missing, lock)
        events += found
        if len(found) == missing:
            last = events[-1]
            return EventsToRate(events, RatingPosition(last.workspace_id, last.occurred_at, last.id))
    return EventsToRate(events, None)


def _events_in(interval: Interval, scope: RatingScope, after: RatingPosition, limit: int, lock: bool) -> list[Stored]:
    conditions = ""
    if interval.workspace_id == after.workspace_id:
        conditions += " AND event.occurred_at >= %(after)s AND (event.occurred_at, event.id) > (%(after)s, %(after_id)s)"
    if scope.models is not None:
        conditions += " AND event.model_id = ANY(%(models)s)"
    if scope.unpriced:
        conditions += " AND event.cost IS NULL"
    locking = f" FOR UPDATE OF event{' SKIP LOCKED' if scope.unpriced else ''}" if lock else ""
    parameters: dict[str, Any] = {
        "workspace": interval.workspace_id,
        "start": max(interval.start, scope.start),
        "end": min(interval.end, scope.end),
        "after": after.occurred_at,
        "after_id": after.id,
        "models": list(scope.models or ()),
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(EVENTS.format(columns=COLUMNS, conditions=conditions, locking=locking), parameters)
        return read(cursor.fetchall())


def changes_of_rating(events: Iterable[Stored], rates: RateTable) -> list[EventChange]:
    """Those that the prices as they are now rate otherwise. What has a price keeps one: it is never made unpriced."""
    changes = []
    for event in events:
        if event.state.status >= EventStatus.FAILED:
            continue
        after = rated(event, event.state, rates)
        if after.cost is not None and after != event.state:
            changes.append(EventChange(event, after))
    return changes
