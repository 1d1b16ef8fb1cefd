"""Keeps what recorded events cost us true: when they change, and when what providers charge is set for the past."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q, QuerySet, Sum

from metering.catalogue.providers.models import ProviderPrice
from metering.ingest.models import EventStatus
from metering.jobs.progress import Progress, unheard
from metering.money import from_pico
from metering.periods import floor_day, floor_hour
from metering.pricing.current import current_rates
from metering.pricing.provider_costs import ProviderTable
from metering.pricing.rates import event_cost
from metering.revisions.stored_events import COLUMNS, EventState, Stored, look_up_by_key, read, to_pico
from metering.rollups.margins import MarginKey, MarginSums, add_margin, apply_margins
from metering.rollups.models import DailyRollup, HourlyRollup

EVENTS_PER_TRANSACTION = 5_000

# What else decides the cost, and what it is so far.
COSTED = """
SELECT event.id, provider.name, coalesce(event.detail::json ->> 'route', ''), event.provider_price_id, event.provider_cost
FROM unnest(%s::int[], %s::timestamptz[], %s::bigint[]) AS named (workspace_id, occurred_at, id)
JOIN metering_usageevent event USING (workspace_id, occurred_at, id)
JOIN metering_provider provider ON provider.id = event.provider_id
WHERE event.occurred_at BETWEEN %s AND %s
"""
UPDATE = """
UPDATE metering_usageevent event SET provider_price_id = costed.price_id, provider_cost = costed.cost
FROM unnest(%s::int[], %s::timestamptz[], %s::bigint[], %s::int[], %s::numeric[])
    AS costed (workspace_id, occurred_at, id, price_id, cost)
WHERE event.workspace_id = costed.workspace_id AND event.occurred_at = costed.occurred_at AND event.id = costed.id
  AND event.occurred_at BETWEEN %s AND %s
"""
NEXT = f"""
SELECT {COLUMNS}
FROM metering_usageevent event JOIN metering_servicetier tier ON tier.id = event.service_tier_id
WHERE event.workspace_id = %(workspace)s AND event.occurred_at >= %(start)s AND event.occurred_at < %(end)s
  AND (event.occurred_at, event.id) > (%(at)s, %(id)s)
  AND (%(models)s::int[] IS NULL OR event.model_id = ANY(%(models)s))
ORDER BY event.occurred_at, event.id LIMIT %(limit)s FOR UPDATE OF event
"""  # noqa: S608 - constants


class Costed(NamedTuple):
    """An event with what decides its cost beside what it used, and what its cost is so far."""

    provider: str
    route: str
    price_id: int | None
    cost: int | None


def follow_costs(changes: Sequence[tuple[Stored, EventState]]) -> int:
    """Works out again what changed events cost us, and moves the sums; how many have another cost. The caller holds them."""
    providers = current_rates().providers if changes else None
    if providers is None:
        return 0  # then no event has ever had a cost
    costed = _costed([event for event, _ in changes])
    sums: dict[MarginKey, MarginSums] = {}
    rows = []
    for event, after in changes:
        before = costed[event.id]
        price_id, cost = _cost(event, after, before, providers)
        key = _key(event, before)
        if before.cost is not None and event.state.status < EventStatus.FAILED:
            add_margin(sums, key, event.state.cost, before.cost, -1)
        if cost is not None:
            add_margin(sums, key, after.cost, cost)
        if (price_id, cost) != (before.price_id, before.cost):
            rows.append((event, price_id, None if cost is None else from_pico(cost)))
    _update(rows)
    apply_margins(sums)
    return len(rows)


def _cost(event: Stored, after: EventState, costed: Costed, providers: ProviderTable) -> tuple[int | None, int | None]:
    """The card and the cost of what the event becomes; unknown where it is not billed, or no card covers it."""
    if after.status >= EventStatus.FAILED:
        return None, None
    found = providers.find(costed.provider, costed.route, event.model_id, after.tier, event.occurred_at, after.counts.input)
    cost = None if found is None else event_cost(found, after.counts, after.others)
    return (None, None) if found is None or cost is None else (found.price_id, cost)


def _key(event: Stored, costed: Costed) -> MarginKey:
    day = floor_day(event.occurred_at)
    return MarginKey(event.workspace_id, day, event.model_id, event.key_id, event.provider_id, costed.route)


def _costed(events: Sequence[Stored]) -> dict[int, Costed]:
    instants = [event.occurred_at for event in events]
    keys: list[Any] = [[event.workspace_id for event in events], instants, [event.id for event in events]]
    with connection.cursor() as cursor:
        cursor.execute(COSTED, [*keys, min(instants), max(instants)])
        return {
            number: Costed(provider, route, price_id, to_pico(cost))
            for number, provider, route, price_id, cost in cursor.fetchall()
        }


def _update(rows: Sequence[tuple[Stored, int | None, object]]) -> None:
    if not rows:
        return
    columns = [(event.workspace_id, event.occurred_at, event.id, price_id, cost) for event, price_id, cost in rows]
    instants = [event.occurred_at for event, _, _ in rows]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE, [*map(list, zip(*columns, strict=True)), min(instants), max(instants)])


def rerate_provider_costs(
    start: datetime, end: datetime, models: Iterable[int] | None = None, progress: Progress = unheard
) -> dict[str, int]:
    """Works out again what recorded events of [start, end) cost us: {"events", "changed"}.

    A transaction for some at a time: killed anywhere, it is run again, and changes what is left.
    """
    of_models = None if models is None else list(models)
    asked = {"start": start, "end": end, "models": of_models, "limit": EVENTS_PER_TRANSACTION}
    used = DailyRollup.objects.filter(day__gte=floor_day(start), day__lt=end)
    if of_models is not None:
        used = used.filter(model__in=of_models)
    requests = dict(used.order_by("workspace_id").values_list("workspace_id").annotate(requests=Sum("requests")))
    done, total = {"events": 0, "changed": 0}, sum(requests.values())
    for workspace_id in requests:
        for _ in _rerate_workspace(asked | {"workspace": workspace_id, "at": start, "id": 0}, done):
            progress(done["events"], total)
    return done


def recorded_since(version: ProviderPrice) -> int:
    """Requests of the version's time, to the hour, that were recorded: they keep the cost that they have, or have none.

    Of its provider, model with aliases and tier, by whatever route: it is the most that working them out again can change.
    """
    recorded = _since(version).filter(provider__name=version.provider, service_tier__name=version.service_tier)
    successor = ProviderPrice.objects.succeeding(version).order_by("effective_from").first()
    if successor is not None:
        recorded = recorded.filter(hour__lt=successor.effective_from)
    return _requests(recorded)


def looked_at_since(version: ProviderPrice) -> int:
    """Requests of its model since then, whatever their provider: those that working its costs out again looks at."""
    return _requests(_since(version))


def _since(version: ProviderPrice) -> QuerySet[HourlyRollup]:
    of_model = Q(model=version.model_id) | Q(model__alias_of=version.model_id)
    return HourlyRollup.objects.filter(of_model, hour__gte=floor_hour(version.effective_from))


def _requests(rollups: QuerySet[HourlyRollup]) -> int:
    return int(rollups.aggregate(requests=Sum("requests"))["requests"] or 0)


def _rerate_workspace(asked: dict[str, Any], done: dict[str, int]) -> Iterator[None]:
    """A step is a transaction."""
    while True:
        with transaction.atomic():
            events = _next(asked)
            done["changed"] += follow_costs([(event, event.state) for event in events])
        done["events"] += len(events)
        yield
        if len(events) < EVENTS_PER_TRANSACTION:
            return
        asked |= {"at": events[-1].occurred_at, "id": events[-1].id}


def _next(asked: dict[str, Any]) -> list[Stored]:
    current_rates()  # its lock comes before any row's
    look_up_by_key()
    with connection.cursor() as cursor:
        cursor.execute(NEXT, asked)
        return read(cursor.fetchall())
