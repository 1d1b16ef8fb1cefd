"""Usage events one by one: newest first by page, all attempts of one request, or the whole range for an export.

A page costs what it shows. Unfiltered, the primary key (workspace, occurred_at, id) yields it in order. Filtered, the
hourly rollups say first in which hours there is anything to see, so that a rare key of a busy workspace is found
without reading the workspace's history.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from itertools import takewhile
from typing import Any

from django.db import connection

from metering.breakdown import billed_of
from metering.components import NAMES, QUANTITIES, Counts, OtherCounts, full_rates, per_million, stored_others
from metering.errors import NotFound
from metering.ingest.formats.events import request_hash
from metering.ingest.models import IS_COUNTED, EventIdentity, EventStatus
from metering.periods import HOUR, floor_hour
from metering.usage.events import events_sql
from metering.usage.filters import STATUS_WORDS, Filters, UsageConditions, scope_of
from omixa_billing.api.lists import cut_page
from workspaces.models import APIKey, Workspace

EXPORT_PAGE = 2_000
PARTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class EventQuestion:
    """Events of `workspace` in [start, end), UTC, either end open where None. `own_key` narrows them to that key's."""

    workspace: Workspace
    start: datetime | None = None
    end: datetime | None = None
    filters: Filters = field(default_factory=Filters)
    own_key: APIKey | None = None


@dataclass(frozen=True, slots=True, order=True)
class EventPosition:
    """Where an event stands in the order of events; a page continues below it."""

    occurred_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event with its names and public ids. `cost` is exact USD, None while unpriced.

    `status` and `usage_source` are the tables' numbers, `detail` the JSON text as stored, `others` what it used of other
    components, `rates` those of its price version by component (USD per million) or None without one.
    """

    id: int
    request_id: str
    attempt: int
    occurred_at: datetime
    recorded_at: datetime
    key_id: str
    model: str
    service_tier: str
    provider: str
    status: int
    usage_source: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: Decimal | None
    price_id: str | None
    stream: bool | None
    latency_ms: int | None
    time_to_first_token_ms: int | None
    detail: str | None
    others: OtherCounts
    rates: Mapping[str, Decimal] | None

    @property
    def billed(self) -> dict[str, int]:
        """By component, what is billed as it; without a price, what would be if only the common ones had rates."""
        counts = Counts(*(getattr(self, name) for name in QUANTITIES))
        return billed_of(counts, self.others, 1, NAMES if self.rates is None else self.rates)

    @property
    def position(self) -> EventPosition:
        return EventPosition(self.occurred_at, self.id)


PLAIN_COLUMNS = len(fields(EventRow)) - 2


def events_page(
    question: EventQuestion, limit: int, after: EventPosition | None = None
) -> tuple[list[EventRow], EventPosition | None]:
    """The newest `limit` events below `after`, newest first, and the position of the last where more follow.

    At most two statements. Raises NotFound for a stranger's key.
    """
    return page_in_scope(question, _listed(question), limit, after)


def page_in_scope(
    question: EventQuestion, scope: UsageConditions, limit: int, after: EventPosition | None = None
) -> tuple[list[EventRow], EventPosition | None]:
    """The same within a scope that the caller made.

    A narrow one is asked of rollups and events alike: a rollup's row may hold more responses than match, if
    of every row it lets through one does.
    """
    return cut_page(_newest(question, scope, limit + 1, after), limit, lambda row: row.position)


def all_events(question: EventQuestion, after: EventPosition | None = None) -> Iterator[list[EventRow]]:
    """Every event of the range, newest first, by the page: bounded memory, no transaction held open for a slow reader.

    An event is in it exactly once if it was recorded before the export began. Raises NotFound at once, not on reading.
    """
    return _pages(question, _listed(question), after)


def _listed(question: EventQuestion) -> UsageConditions:
    """What a list of these events may show: voided ones only where their status is asked for."""
    scope = scope_of(question.workspace, question.filters, question.own_key)
    return scope if question.filters.status else replace(scope, conditions=(*scope.conditions, IS_COUNTED))


def _pages(question: EventQuestion, scope: UsageConditions, after: EventPosition | None) -> Iterator[list[EventRow]]:
    while rows := _newest(question, scope, EXPORT_PAGE, after):
        yield rows
        if len(rows) < EXPORT_PAGE:
            return
        after = rows[-1].position


def request_attempts(workspace: Workspace, request_id: str, own_key: APIKey | None = None) -> list[EventRow]:
    """Every attempt of a request, by attempt. Raises NotFound where there is none to see."""
    rows = _attempts(workspace, [request_id], own_key)
    if not rows:
        raise NotFound("There is no such request here. One that was just sent takes a moment to be counted.")
    return rows


def request_parts(workspace: Workspace, request_id: str, own_key: APIKey | None = None) -> list[list[EventRow]]:
    """The attempts of each call to a provider that one request came to: its own, then those of `id.1`, `id.2` and so on.

    A part names its request in its metadata, as gateways write it (docs/gateways.md). Raises NotFound for the request.
    """
    parts = [request_attempts(workspace, request_id, own_key)]
    complete = True
    while complete:
        names = [f"{request_id}.{number}" for number in range(len(parts), len(parts) + PARTS_AT_ONCE)]
        rows = [each for each in _attempts(workspace, names, own_key) if _part_of(each) == request_id]
        found = [[each for each in rows if each.request_id == name] for name in names]
        parts += takewhile(bool, found)
        complete = all(found)
    return parts


def _attempts(workspace: Workspace, request_ids: list[str], own_key: APIKey | None) -> list[EventRow]:
    # No event has a NUL in its id, and PostgreSQL does not even take the question.
    asked = [each for each in request_ids if "\x00" not in each]
    claims = EventIdentity.objects.filter(workspace=workspace, request_hash__in=[request_hash(each) for each in asked])
    instants = list(claims.values_list("occurred_at", flat=True)) if asked else []
    scope = scope_of(workspace, Filters(), own_key)
    parameters = scope.parameters | {"request_ids": asked, "instants": instants}
    return _read(events_sql.attempts_sql(scope), parameters) if instants else []


def _part_of(row: EventRow) -> object:
    metadata = json.loads(row.detail).get("metadata") if row.detail else None
    return metadata.get("part_of") if isinstance(metadata, dict) else None


def _newest(question: EventQuestion, scope: UsageConditions, limit: int, after: EventPosition | None) -> list[EventRow]:
    """The newest `limit` events of the question below `after`."""
    parameters = scope.parameters | {
        "start": question.start,
        "end": question.end,
        "limit": limit,
        "after": after and after.occurred_at,
        "after_id": after and after.id,
    }
    bounds = events_sql.bounds(start=question.start, end=question.end, after=after)
    if not scope.narrow:
        return _read(events_sql.newest(scope, bounds), parameters)
    rows: list[EventRow] = []
    for hours in _hours_with_events(question, scope, limit, after):
        more = parameters | {"hours": hours, "limit": limit - len(rows)}
        rows += _read(events_sql.newest_in_hours(scope, bounds), more)
        if len(rows) >= limit:
            break
    return rows


def _hours_with_events(
    question: EventQuestion, scope: UsageConditions, limit: int, after: EventPosition | None
) -> Iterator[list[datetime]]:
    """The newest hours with matching events below `after`, enough for `limit` of them, newest first in portions.

    The first portion should be enough: its hours count `limit` responses. But a condition on tokens lets a sum of
    responses through for one of them, so each hour is only sure to hold one, and further portions follow.
    An hour that the range or the cursor cuts counts for nothing, for its events may lie on the other side.
    """
    upper = min((at for at in (question.end, after and after.occurred_at) if at is not None), default=None)
    parameters = scope.parameters | {
        "first_hour": question.start and floor_hour(question.start),
        "last_hour": upper and floor_hour(upper),
        "hours": limit + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            events_sql.hours_with_events(
                scope,
                since=question.start is not None,
                until=upper is not None,
                voided=STATUS_WORDS[EventStatus.VOIDED] in question.filters.status,
            ),
            parameters,
        )
        found = cursor.fetchall()
    portion: list[datetime] = []
    missing = wanted = limit
    for hour, requests in found:
        portion.append(hour)
        if upper is None or hour + HOUR <= upper:
            missing -= requests
        if missing <= 0:
            yield portion
            portion, wanted = [], wanted * 4  # so that few statements do, however sparse
            missing = wanted
    if portion:
        yield portion


def _read(sql: str, parameters: dict[str, Any]) -> list[EventRow]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [_event(columns) for columns in cursor.fetchall()]


def _event(columns: tuple[Any, ...]) -> EventRow:
    *plain, others, open_rates = columns[: PLAIN_COLUMNS + 2]
    more: tuple[Any, ...] = (stored_others(others), _rates(open_rates, columns[PLAIN_COLUMNS + 2 :]))
    return EventRow(*(*plain, *more))


def _rates(open_rates: str | None, own: tuple[Decimal | None, ...]) -> Mapping[str, Decimal] | None:
    if open_rates is None:
        return None
    return full_rates(dict(zip(NAMES, own, strict=True))) | per_million(open_rates)
