"""What a line bills of each event: the states that the line is made of (line_states.py), found again in the ledger's log.

The log of a item is its events as they were recorded, and what corrections and re-ratings made of them since. A state is a
place in it: where it comes to the tokens that the invoice found. Its clock only tells which place is meant where several
do: it was read before the invoice waited for its turn, and `recorded_at` when a worker's transaction began, so neither
tells what was committed first. A voided event is under the line that billed it and, with its tokens below zero, under the
one that took them back.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q

from metering.breakdown import billed_sql
from metering.catalogue.models import PriceVersion
from metering.components import component_named, rates_per_million
from metering.ingest.models import EventCorrection
from metering.invoicing.explaining.line_states import BilledState
from metering.invoicing.models import InvoiceLine
from metering.usage.events.events import EventRow
from metering.usage.filters import UsageConditions

# Tokens of the line's component under the line's price: an event's as they are, and by how much an entry changed them.
TOKENS = "CASE WHEN price_id = %(line_price)s THEN {of_event} ELSE 0 END"
MOVED = """(CASE WHEN entry.after_price_id = %(line_price)s THEN {of_after} ELSE 0 END
    - CASE WHEN entry.before_price_id = %(line_price)s THEN {of_before} ELSE 0 END)"""

# For each state the place where the log's sum is the state's: the one nearest to its clock, of equally near ones the last.
PLACES = """
WITH event AS (
    SELECT recorded_at, batch_id, id, {tokens} AS tokens FROM metering_usageevent
    WHERE workspace_id = %(workspace)s AND model_id = %(line_model)s
      AND occurred_at >= %(month)s AND occurred_at < %(month_end)s
), entry AS (
    SELECT entry.event_id, entry.recorded_at, entry.id, {moved} AS tokens
    FROM metering_eventcorrection entry JOIN event ON event.id = entry.event_id
    WHERE entry.workspace_id = %(workspace)s AND entry.occurred_at >= %(month)s AND entry.occurred_at < %(month_end)s
      AND %(line_price)s IN (entry.before_price_id, entry.after_price_id)
), moved AS (
    SELECT event_id, sum(tokens) AS tokens FROM entry GROUP BY event_id
), log AS (
    SELECT recorded_at, 0 AS kind, batch_id, id, event.tokens - coalesce(moved.tokens, 0) AS tokens
    FROM event LEFT JOIN moved ON moved.event_id = event.id
    UNION ALL SELECT recorded_at, 1, 0, id, tokens FROM entry
), running AS (
    SELECT recorded_at, kind, batch_id, id, sum(tokens) OVER place AS tokens, lead(recorded_at) OVER place AS next_at
    FROM (SELECT * FROM log WHERE tokens <> 0 UNION ALL SELECT %(beginning)s, 0, 0, 0, 0) log
    WINDOW place AS (ORDER BY recorded_at, kind, batch_id, id)
)
SELECT DISTINCT ON (state.number) state.number, running.recorded_at, kind, batch_id, id
FROM unnest(%(tokens)s::numeric[], %(instants)s::timestamptz[]) WITH ORDINALITY AS state (tokens, at, number)
JOIN running ON running.tokens = state.tokens
ORDER BY state.number, greatest(running.recorded_at - state.at, state.at - running.next_at, interval '0'),
         running.recorded_at DESC, kind DESC, batch_id DESC, id DESC
"""

# Tokens that an event had at a place. Where nothing was ever changed, what it has.
THEN = "CASE WHEN (recorded_at, 0, batch_id, id) <= {place} THEN ({tokens})::bigint{less_later} ELSE 0 END"
LESS_LATER = """ - coalesce((
    SELECT sum({moved}) FROM metering_eventcorrection entry
    WHERE entry.workspace_id = metering_usageevent.workspace_id AND entry.request_id = metering_usageevent.request_id
      AND entry.attempt = metering_usageevent.attempt AND (entry.recorded_at, 1, 0, entry.id) > {place}), 0)"""
PLACE = "(%(at_{n})s::timestamptz, %(kind_{n})s, %(batch_{n})s::bigint, %(id_{n})s::bigint)"

QUANTITIES = """
SELECT id, {billed} FROM metering_usageevent
WHERE workspace_id = %(workspace)s AND occurred_at = ANY(%(instants)s::timestamptz[]) AND id = ANY(%(ids)s::bigint[])
"""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LAST_ID = 2**63 - 1


class LogPlace(NamedTuple):
    """Where in the log: after this event (kind 0), or after this entry of the trail (kind 1, without a batch)."""

    at: datetime | str
    kind: int
    batch: int
    id: int


def by_clock(state: BilledState) -> LogPlace:
    """After all that was recorded up to the state's clock; a draft's after everything."""
    return LogPlace(state.at or "infinity", 1, 0, LAST_ID)


def was_changed(line: InvoiceLine) -> bool:
    """Whether anything of the line's month and price was corrected or rated again."""
    price = PriceVersion.objects.values_list("pk", flat=True).get(public_id=line.price)
    entries = EventCorrection.objects.filter(
        Q(before_price_id=price) | Q(after_price_id=price),
        workspace=line.invoice.workspace_id,
        occurred_at__gte=line.period_start,
        occurred_at__lt=line.period_end,
    )
    return entries.order_by().exists()


def places_in_log(states: Sequence[BilledState], line: InvoiceLine, item: dict[str, Any]) -> dict[BilledState, LogPlace]:
    """Where the states are; one is missing where the log never comes to its tokens. Reads the month once.

    `item` has the ids of the line's workspace, model and price, which is of one tier: an event's may have been another one.
    """
    parameters = item | {
        "month": line.period_start,
        "month_end": line.period_end,
        "beginning": BEGINNING,
        "tokens": [state.tokens for state in states],
        "instants": [state.at for state in states],
    }
    with connection.cursor() as cursor:
        cursor.execute(PLACES.format(**_of(line)), parameters)
        return {states[number - 1]: LogPlace(*place) for number, *place in cursor.fetchall()}


def quantity_sql(line: InvoiceLine, times: Mapping[LogPlace, int], changed: bool) -> tuple[str, dict[str, Any]]:
    """The tokens that the line bills of an event, as SQL of constants of this module, and its parameters."""
    terms: list[str] = []
    parameters: dict[str, Any] = {}
    of_line = _of(line)
    for n, (place, count) in enumerate(times.items()):
        named = PLACE.format(n=n)
        later = LESS_LATER.format(place=named, **of_line) if changed else ""
        terms.append(f"%(times_{n})s * ({THEN.format(place=named, less_later=later, **of_line)})")
        parameters |= {f"at_{n}": place.at, f"kind_{n}": place.kind, f"batch_{n}": place.batch, f"id_{n}": place.id}
        parameters[f"times_{n}"] = count
    return f"({' + '.join(terms)})", parameters


def quantities_of(billed: str, scope: UsageConditions, events: Sequence[EventRow]) -> dict[int, int]:
    """The tokens that the line bills of each of these events, by their ids; below zero where it takes them back."""
    parameters = scope.parameters | {"instants": [event.occurred_at for event in events], "ids": [event.id for event in events]}
    with connection.cursor() as cursor:
        cursor.execute(QUANTITIES.format(billed=billed), parameters)
        return {event_id: int(tokens) for event_id, tokens in cursor.fetchall()}


def rates_of_line(line: InvoiceLine) -> dict[str, Decimal]:
    return rates_per_million(PriceVersion.objects.get(public_id=line.price))


def _of(line: InvoiceLine) -> dict[str, str]:
    """What the statements of this module are filled in with for the line's component."""
    component, rates = component_named(line.component), rates_of_line(line)
    after, before = (
        billed_sql(component, f"entry.{side}_tokens[{{at}}]", rates, f"entry.{side}_others") for side in ("after", "before")
    )
    return {
        "tokens": TOKENS.format(of_event=billed_sql(component, rates=rates)),
        "moved": MOVED.format(of_after=after, of_before=before),
    }
