"""Where the events lie that rating them again could change, found from the rollups: hours whose every price stands are
passed over. What is passed over is provably right: the rollups name the price of every event, and the outlook every price
that could rate one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from metering.ingest.models import IS_BILLED
from metering.periods import DAY, HOUR, floor_hour
from metering.pricing.outlook import Outlook
from metering.rollups.fold import NO_PRICE
from omixa_billing.instants import FIRST_INSTANT

GROUPS_PER_READ = 2_000

GROUPS = """
SELECT workspace_id, hour, model_id, service_tier_id, price_id,
       (SELECT name FROM metering_servicetier WHERE id = service_tier_id)
FROM metering_hourlyrollup
WHERE {is_billed} AND hour >= %(first_hour)s AND hour < %(end)s{conditions}
  AND (workspace_id, hour, model_id, service_tier_id, price_id)
      > (%(at_workspace)s, %(at_hour)s, %(at_model)s, %(at_tier)s, %(at_price)s)
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5 LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class RatingScope:
    """Which events to rate again: [start, end), of these models and this workspace (None: all). `unpriced`: only those."""

    start: datetime
    end: datetime
    models: tuple[int, ...] | None = None
    workspace_id: int | None = None
    unpriced: bool = False


class RatingPosition(NamedTuple):
    """Where an event stands in the order in which all are visited."""

    workspace_id: int
    occurred_at: datetime
    id: int


BEGINNING = RatingPosition(0, FIRST_INSTANT, 0)


class Interval(NamedTuple):
    """Hours of one workspace to look at, [start, end). Short gaps are part of it: reading on is cheaper than asking again."""

    workspace_id: int
    start: datetime
    end: datetime


def intervals_of(scope: RatingScope, outlook: Outlook, after: RatingPosition) -> Iterator[Interval]:
    """In order, from the hour of `after` on. Reads as it is consumed, in bounded memory."""
    current: Interval | None = None
    for workspace_id, hour in _changeable_hours(scope, outlook, after):
        if current is not None and current.workspace_id == workspace_id and hour <= current.end + DAY:
            current = current._replace(end=hour + HOUR)
            continue
        if current is not None:
            yield current
        current = Interval(workspace_id, hour, hour + HOUR)
    if current is not None:
        yield current


def _changeable_hours(scope: RatingScope, outlook: Outlook, after: RatingPosition) -> Iterator[tuple[int, datetime]]:
    at: tuple[Any, ...] = (after.workspace_id, floor_hour(after.occurred_at), 0, 0, -1)
    while groups := _groups(scope, at):
        for workspace_id, hour, model_id, _, price_id, tier in groups:
            standing = {price_id} - {NO_PRICE}
            if outlook.possible(model_id, tier, workspace_id, hour) - standing:
                yield workspace_id, hour
        if len(groups) < GROUPS_PER_READ:
            return
        at = groups[-1][:5]


def _groups(scope: RatingScope, at: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    conditions = ""
    if scope.workspace_id is not None:
        conditions += " AND workspace_id = %(workspace)s"
    if scope.models is not None:
        conditions += " AND model_id = ANY(%(models)s)"
    if scope.unpriced:
        conditions += " AND price_id = 0"
    names = ("at_workspace", "at_hour", "at_model", "at_tier", "at_price")
    parameters = {
        "first_hour": floor_hour(scope.start),
        "end": scope.end,
        "workspace": scope.workspace_id,
        "models": list(scope.models or ()),
        "limit": GROUPS_PER_READ,
        **dict(zip(names, at, strict=True)),
    }
    with connection.cursor() as cursor:
        cursor.execute(GROUPS.format(is_billed=IS_BILLED, conditions=conditions), parameters)
        return cursor.fetchall()
