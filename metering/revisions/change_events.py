"""Changes recorded events and moves their rollups and limits by what changed, in one transaction of the caller's."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from psycopg.types.json import Jsonb

from metering.components import QUANTITIES
from metering.ingest.models import EventStatus
from metering.limits.settle import CostChange, settle_changes
from metering.money import from_pico
from metering.periods import floor_day, floor_hour
from metering.revisions.provider_costs import follow_costs
from metering.revisions.stored_events import EventState, Stored
from metering.rollups.compare import GRAINS
from metering.rollups.fold import NO_PRICE, RollupKey, Sums, add, apply
from metering.rollups.quantities import QuantityKey, apply_quantities

UPDATE = f"""
UPDATE metering_usageevent event SET service_tier_id = changed.service_tier_id, status = changed.status,
    usage_source = changed.usage_source, {", ".join(f"{name} = changed.{name}" for name in QUANTITIES)},
    price_id = changed.price_id, cost = changed.cost, others = changed.others
FROM unnest(%s::int[], %s::timestamptz[], %s::bigint[], {"%s::smallint[], " * 3}{"%s::int[], " * len(QUANTITIES)}
            %s::int[], %s::numeric[], %s::jsonb[])
    AS changed (workspace_id, occurred_at, id, service_tier_id, status, usage_source, {", ".join(QUANTITIES)}, price_id, cost,
                others)
WHERE event.workspace_id = changed.workspace_id AND event.occurred_at = changed.occurred_at AND event.id = changed.id
  AND event.occurred_at BETWEEN %s AND %s
"""  # noqa: S608  # constants

KEEP = """
UPDATE metering_usageevent event SET usage = kept.usage
FROM unnest(%s::int[], %s::timestamptz[], %s::bigint[], %s::bytea[]) AS kept (workspace_id, occurred_at, id, usage)
WHERE event.workspace_id = kept.workspace_id AND event.occurred_at = kept.occurred_at AND event.id = kept.id
  AND event.occurred_at BETWEEN %s AND %s AND event.usage IS DISTINCT FROM kept.usage
"""

# Rows that everything has moved out of; a rebuilt rollup would not have them. They are locked by then: apply wrote them.
TIDY = """
DELETE FROM {table} rollup
USING unnest(%s::int[], %s::timestamptz[], %s::int[], %s::int[], %s::smallint[], %s::smallint[], %s::smallint[], %s::int[])
    AS emptied (workspace_id, start, model_id, key_id, service_tier_id, provider_id, status, price_id)
WHERE rollup.workspace_id = emptied.workspace_id AND rollup.{grain} = emptied.start AND rollup.model_id = emptied.model_id
  AND rollup.key_id = emptied.key_id AND rollup.service_tier_id = emptied.service_tier_id
  AND rollup.provider_id = emptied.provider_id AND rollup.status = emptied.status AND rollup.price_id = emptied.price_id
  AND rollup.requests = 0
"""


class EventChange(NamedTuple):
    """An event, locked and as it was read, and what it becomes."""

    event: Stored
    after: EventState


def change_events(changes: Sequence[EventChange], now: datetime) -> None:
    """Writes what events become, each named once, and moves rollups and limits. The caller holds the events' rows."""
    moved = [each for each in changes if each.after != each.event.state]
    if not moved:
        return
    rows = [_columns(each) for each in moved]
    instants = [each.event.occurred_at for each in moved]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE, [*map(list, zip(*rows, strict=True)), min(instants), max(instants)])
        if cursor.rowcount != len(moved):
            raise AssertionError(f"{cursor.rowcount} events changed, not {len(moved)}: they were not held")
    hours = differences_by_hour(moved)
    apply(hours)
    apply_quantities(other_differences(moved))
    _tidy(key for key, sums in hours.items() if sums[0] < 0)
    follow_costs(moved)
    settle_changes([_cost_change(each) for each in moved], now)


def keep_usage(kept: Mapping[Stored, bytes | None]) -> None:
    """Writes the usage object that replaced another one, compressed, or nothing. The caller holds the events' rows."""
    if not kept:
        return
    rows = [(event.workspace_id, event.occurred_at, event.id, usage) for event, usage in kept.items()]
    instants = [event.occurred_at for event in kept]
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [*map(list, zip(*rows, strict=True)), min(instants), max(instants)])


def _cost_change(change: EventChange) -> CostChange:
    event, after = change
    pico = (after.cost or 0) - (event.state.cost or 0)
    return CostChange(event.workspace_id, event.occurred_at, event.id, pico)


def _columns(change: EventChange) -> tuple[object, ...]:
    event, after = change
    cost = None if after.cost is None else from_pico(after.cost)
    key = (event.workspace_id, event.occurred_at, event.id)
    others = Jsonb(dict(after.others)) if after.others else None
    return (*key, after.tier_id, after.status, after.usage_source, *after.counts, after.price_id, cost, others)


def differences_by_hour(changes: Iterable[EventChange]) -> dict[RollupKey, Sums]:
    """What the changes add to the hourly rollups and take from them; hours that they leave alone are not in it."""
    sums: dict[RollupKey, Sums] = {}
    for event, after in changes:
        for state, sign in ((event.state, -1), (after, 1)):
            if state.status != EventStatus.VOIDED:
                amounts = (1, *state.counts, state.cost or 0)
                add(sums, _key(event, state), [sign * amount for amount in amounts])
    return {key: amounts for key, amounts in sums.items() if any(amounts)}


def other_differences(changes: Iterable[EventChange]) -> dict[QuantityKey, int]:
    """The same of other components."""
    sums: dict[QuantityKey, int] = defaultdict(int)
    for event, after in changes:
        for state, sign in ((event.state, -1), (after, 1)):
            for component, quantity in state.others:
                sums[QuantityKey(_key(event, state), component)] += sign * quantity
    return sums


def _key(event: Stored, state: EventState) -> RollupKey:
    return RollupKey(
        event.workspace_id,
        floor_hour(event.occurred_at),
        event.model_id,
        event.key_id,
        state.tier_id,
        event.provider_id,
        state.status,
        state.price_id or NO_PRICE,
    )


def _tidy(hours: Iterable[RollupKey]) -> None:
    by_hour = sorted(hours)
    by_day = sorted({key._replace(start=floor_day(key.start)) for key in by_hour})
    for grain, keys in (("hour", by_hour), ("day", by_day)):
        if keys:
            _delete_empty(grain, keys)


def _delete_empty(grain: str, keys: Sequence[tuple[int | datetime, ...]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TIDY.format(table=GRAINS[grain], grain=grain), [*map(list, zip(*keys, strict=True))])
