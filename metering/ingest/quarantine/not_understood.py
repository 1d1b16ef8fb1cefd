"""Which numbers of which dialects are not understood, what waits for them, and what a rule sets free."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Value
from django.db.models.functions import Concat

from metering.ingest.models import IS_OPEN, Batch, QuarantinedEvent, QuarantinedEventQuerySet
from metering.ingest.quarantine.replay import replay_matching
from metering.ingest.understanding.models import UnknownPath, UsageRule

MOST = 100_000  # of the newest rows; more are not looked at for a page
MOST_NAMED = 20

HELD = f"""
SELECT unknown.dialect, unknown.path, count(*), count(event.estimated_cost), coalesce(sum(event.estimated_cost), 0),
       max(event.created_at), (array_agg(DISTINCT gateway.name))[:%(named)s], (array_agg(DISTINCT unknown.model))[:%(named)s]
FROM (SELECT id, event_id, dialect, path, model FROM metering_unknownpath ORDER BY id DESC LIMIT %(most)s) unknown
JOIN metering_quarantinedevent event ON event.id = unknown.event_id AND event.{IS_OPEN}
JOIN workspaces_gateway gateway ON gateway.id = event.gateway_id
GROUP BY unknown.dialect, unknown.path
ORDER BY count(*) DESC, unknown.dialect, unknown.path
"""  # noqa: S608 - a constant


class HeldPath(NamedTuple):
    """A path with the open events that wait for it. `estimate` is in exact USD and covers `estimated` of them."""

    dialect: str
    path: str
    events: int
    estimated: int
    estimate: Decimal
    last_seen: datetime
    gateways: list[str]
    models: list[str]


def held_paths() -> list[HeldPath]:
    """All that open events wait for, most first."""
    with connection.cursor() as cursor:
        cursor.execute(HELD, {"most": MOST, "named": MOST_NAMED})
        return [HeldPath(*row) for row in cursor.fetchall()]


def count_held() -> tuple[int, int]:
    """How many paths are waited for, and by how many open events."""
    waiting = UnknownPath.objects.filter(event__in=QuarantinedEvent.objects.open())
    number = Concat("dialect", Value(" "), "path")
    found = waiting.aggregate(paths=Count(number, distinct=True), events=Count("event", distinct=True))
    return found["paths"], found["events"]


def waiting_for(dialect: str, path: str) -> QuarantinedEventQuerySet:
    """The open events that wait for it, whatever else they wait for."""
    found = UnknownPath.objects.filter(dialect=dialect, path=path, event=OuterRef("pk"))
    return QuarantinedEvent.objects.open().filter(Exists(found))


def set_free(dialect: str, path: str, now: datetime) -> QuarantinedEventQuerySet:
    """Those of them in which every unknown number has a rule by now."""
    rules = UsageRule.objects.at(now).filter(dialect=OuterRef("dialect"), path=OuterRef("path"))
    still_unknown = UnknownPath.objects.filter(~Exists(rules), event=OuterRef("pk"))
    return waiting_for(dialect, path).filter(~Exists(still_unknown))


def release_held(rule: UsageRule, actor: str, now: datetime, most: int) -> Iterator[Batch]:
    """Replays what a rule sets free, `most` of it at once. Raises InboxFull."""
    reason = f"{rule.path} of {rule.dialect} is {rule.words}"
    return replay_matching(set_free(rule.dialect, rule.path, now), actor, now, reason, most)
