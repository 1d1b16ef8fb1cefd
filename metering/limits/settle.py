"""What usage does to limits, in the transaction that records it, and as its last statement: budgets and balances are spent, and
the hold of each billed request ends. So a settlement can be neither lost nor doubled, because its event can be neither.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from metering.ingest.formats.events import request_hash
from metering.ingest.models import EventStatus
from metering.ingest.recording.arrivals import Arrival
from metering.limits.changed import note_change
from metering.limits.crossed import alert_on_commit
from metering.money import from_pico

# Every zone's hours and days begin at a whole quarter of an hour, so no window's edge lies within one.
GRAIN_MINUTES = 15

LIMITED = "SELECT metering_limited(%s)"
SETTLE = """
SELECT metering_settle(%s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::numeric[],
                       %s::int[], %s::bytea[], %s::numeric[], %s)
"""


NAMES = """
SELECT event.workspace_id, event.id, key.public_id, model.slug, event.detail, event.occurred_at
FROM unnest(%s::int[], %s::timestamptz[], %s::bigint[]) AS changed (workspace_id, occurred_at, id)
JOIN metering_usageevent event ON event.workspace_id = changed.workspace_id AND event.occurred_at = changed.occurred_at
    AND event.id = changed.id
JOIN workspaces_apikey key ON key.id = event.key_id JOIN metering_languagemodel model ON model.id = event.model_id
"""


class Spending(NamedTuple):
    """What one event cost, or what changing it adds: pico-dollars. `settles` a request unless it only changes one."""

    workspace_id: int
    key: str
    model: str
    user: str
    at: datetime
    pico: int
    settles: str | None


def limited_workspaces(workspaces: Iterable[int]) -> set[int]:
    """Which of them have budgets, a prepaid balance or open holds. From here to the commit none is given its first limit."""
    with connection.cursor() as cursor:
        cursor.execute(LIMITED, [sorted(set(workspaces))])
        found: list[int] = cursor.fetchone()[0]
    return set(found)


def settle(spendings: Sequence[Spending], now: datetime) -> None:
    """Spends it all, in the transaction that writes it. The accounts stay locked until the commit, so this comes last."""
    if not spendings:
        return
    sums: dict[tuple[int, str, str, str, datetime], int] = defaultdict(int)
    for each in spendings:
        sums[each.workspace_id, each.key, each.model, each.user, _quarter(each.at)] += each.pico
    parts = [(*name, from_pico(pico)) for name, pico in sums.items() if pico]
    requests = [
        (each.workspace_id, request_hash(each.settles), from_pico(each.pico)) for each in spendings if each.settles is not None
    ]
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, [*_columns(parts, 6), *_columns(requests, 3), now])
        used_up: list[int] = cursor.fetchone()[0]
    for workspace_id in used_up:
        note_change(workspace_id, now)
    alert_on_commit()


def _quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % GRAIN_MINUTES, second=0, microsecond=0)


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def settle_recorded(recorded: Sequence[Arrival], now: datetime) -> None:
    """What events that were just recorded spend, and the holds that they end: of what succeeded, and of what was broken off."""
    limited = limited_workspaces(arrival.workspace_id for arrival in recorded) if recorded else set()
    if limited:
        settle([_spending(each) for each in recorded if each.workspace_id in limited and _is_billed(each.event.status)], now)


def _spending(arrival: Arrival) -> Spending:
    event = arrival.event
    return Spending(
        arrival.workspace_id,
        event.key_id,
        event.model,
        _user(event.detail),
        event.occurred_at,
        arrival.cost or 0,
        event.request_id,
    )


class CostChange(NamedTuple):
    """An event as it is found in its table, and what it costs more than before, in pico-dollars."""

    workspace_id: int
    occurred_at: datetime
    event_id: int
    pico: int


def settle_changes(changes: Sequence[CostChange], now: datetime) -> None:
    """What changed events spend more or less than before, in the windows that they lie in."""
    moved = {each.event_id: each for each in changes if each.pico}
    limited = limited_workspaces(each.workspace_id for each in moved.values()) if moved else set()
    concerned = [each for each in moved.values() if each.workspace_id in limited]
    if not concerned:
        return
    with connection.cursor() as cursor:
        cursor.execute(NAMES, _columns([each[:3] for each in concerned], 3))
        rows = cursor.fetchall()
    settle(
        [
            Spending(workspace, key, model, _user(detail), at, moved[event_id].pico, None)
            for workspace, event_id, key, model, detail, at in rows
        ],
        now,
    )


def _user(detail: str | None) -> str:
    """Whom the gateway served, where it said so."""
    if detail is None or '"user"' not in detail:
        return ""
    return str(json.loads(detail).get("user", ""))


def _is_billed(status: int) -> bool:
    return status < EventStatus.FAILED
