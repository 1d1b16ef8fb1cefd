"""The events under an invoice line: the responses it bills, each rated with the line's price version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Max, Q, QuerySet, Sum

from metering.catalogue.models import PriceVersion
from metering.ingest.models import ServiceTier
from metering.invoicing.adjustments import BILLS_TOKENS, FINALIZED
from metering.invoicing.as_billed import quantities_as_billed, scope_as_billed, was_changed
from metering.invoicing.draft import key_of
from metering.invoicing.lines import used
from metering.invoicing.models import Invoice, InvoiceLine
from metering.money import WIDE
from metering.pricing.components import tokens_of
from metering.usage.events import EventQuestion, EventRow, Position, page_in_scope
from metering.usage.filters import Scope

# Columns that events and rollups share. Above zero, a rollup's row has an event with such tokens, and others without.
TOKENS = {
    "input": "input_tokens::bigint - cached_input_tokens - cache_write_tokens",
    "cached_input": "cached_input_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
}

# The first and the last of the events, in the order they were recorded, that carry the tokens after %(before)s up to
# %(through)s, each with the running sum before and after it. Every event here has tokens, so the sum rises with each.
BOUNDS = """
WITH running AS (
    SELECT recorded_at, batch_id, id, {tokens} AS tokens,
           sum({tokens}) OVER (ORDER BY recorded_at, batch_id, id) AS through
    FROM metering_usageevent WHERE {conditions} AND occurred_at >= %(start)s AND occurred_at < %(end)s
), billed AS (
    SELECT recorded_at, batch_id, id, through - tokens AS before, through FROM running
    WHERE through > %(before)s AND through <= %(through)s
)
(SELECT * FROM billed ORDER BY through LIMIT 1) UNION ALL
(SELECT * FROM billed ORDER BY through DESC LIMIT 1)
"""
EDGES = ("first_at", "first_batch", "first_id", "last_at", "last_batch", "last_id")
WITHIN = (
    "(recorded_at, batch_id, id) >= (%(first_at)s, %(first_batch)s, %(first_id)s)",
    "(recorded_at, batch_id, id) <= (%(last_at)s, %(last_batch)s, %(last_id)s)",
)


@dataclass(frozen=True, slots=True)
class BilledEvent:
    """An event, and what of it the line bills: tokens of the line's component, and exact USD."""

    event: EventRow
    quantity: int
    amount_exact: Decimal


def events_under(line: InvoiceLine, limit: int, after: Position | None = None) -> tuple[list[BilledEvent], bool]:
    """The newest `limit` events below `after` that the line bills, newest first, and whether there are more.

    Their quantities add up to the line's. What arrived after the line was finalized is not among them, and under a line
    that adjusts are only those that had not been billed before; what was corrected or rated again since is there as it was
    billed (as_billed.py). One kind of line shows more, everything its month holds of the same thing: of one that was
    finalized while a worker was recording events of its month it is not known which (within_running_sum).
    """
    if line.kind not in BILLS_TOKENS:
        return [], False
    workspace = line.invoice.workspace
    question = EventQuestion(workspace, line.period_start, line.period_end)
    if was_changed(line):
        scope = scope_as_billed(line, whole_month(line).parameters, billed_last(line))
        events, more = page_in_scope(question, scope, limit, after)
        quantities = quantities_as_billed(line, scope, events)
        return [billed_event(event, line, quantities[event.id]) for event in events], more
    events, more = page_in_scope(question, scope_of_line(line), limit, after)
    return [billed_event(event, line, tokens_under(event, line)) for event in events], more


def scope_of_line(line: InvoiceLine) -> Scope:
    whole = whole_month(line)
    key = key_of(line)
    now = used(line.invoice.workspace, line.period_start, line.period_end).get(key, 0)
    before = billed_before(line)
    if line.quantity < 0 or (before == 0 and now == line.quantity):
        return whole
    return within_running_sum(line, whole, before)


def whole_month(line: InvoiceLine) -> Scope:
    """Everything the month holds of the line's model, tier and price version, with tokens of its component."""
    conditions = (
        "workspace_id = %(workspace)s",
        "model_id = %(line_model)s",
        "service_tier_id = %(line_tier)s",
        "price_id = %(line_price)s",
        f"{TOKENS[line.component]} > 0",
    )
    parameters = {
        "workspace": line.invoice.workspace_id,
        "line_model": line.language_model_id,
        "line_tier": ServiceTier.objects.values_list("pk", flat=True).get(name=line.service_tier),
        "line_price": PriceVersion.objects.values_list("pk", flat=True).get(public_id=line.price),
    }
    return Scope(conditions, parameters, narrow=True)


def within_running_sum(line: InvoiceLine, whole: Scope, before: int) -> Scope:
    """The part of the month that this line bills, where others bill the rest; the whole where no run adds up to it.

    Lines bill what was committed when they were finalized, and `recorded_at` is the clock of the transaction's beginning.
    So what a worker in flight at that moment recorded, or what waited for its price, stands among the billed events though
    only a later line bills it. Then the sums do not fit, and too much is shown rather than the wrong events. They fit
    nevertheless, and the two are exchanged, when it carries exactly as many tokens as the events it pushes out.
    """
    sql = BOUNDS.format(tokens=TOKENS[line.component], conditions=" AND ".join(whole.conditions))
    months = {"start": line.period_start, "end": line.period_end}
    with connection.cursor() as cursor:
        cursor.execute(sql, whole.parameters | months | {"before": before, "through": before + line.quantity})
        bounds = cursor.fetchall()
    if not bounds:
        return whole
    (*first, first_from, _), (*last, _, last_through) = bounds
    if (first_from, last_through) != (before, before + line.quantity):
        return whole
    edges = dict(zip(EDGES, [*first, *last], strict=True))
    return Scope((*whole.conditions, *WITHIN), whole.parameters | edges, narrow=False)


def billed_before(line: InvoiceLine) -> int:
    """Tokens of the same thing on finalized invoices before this line's."""
    return int(earlier_lines(line).aggregate(tokens=Sum("quantity"))["tokens"] or 0)


def billed_last(line: InvoiceLine) -> datetime | None:
    """When the invoice before this line's that bills the same thing was finalized."""
    last: datetime | None = earlier_lines(line).aggregate(at=Max("invoice__finalized_at"))["at"]
    return last


def earlier_lines(line: InvoiceLine) -> QuerySet[InvoiceLine]:
    """Those of the same thing on finalized invoices before this line's."""
    key, invoice = key_of(line), line.invoice
    earlier = InvoiceLine.objects.filter(
        invoice__workspace=invoice.workspace_id,
        invoice__status__in=FINALIZED,
        kind__in=BILLS_TOKENS,
        period_start=key.month,
        language_model=key.model_id,
        service_tier=key.service_tier,
        price=key.price,
        component=key.component,
    )
    if invoice.status != Invoice.Status.DRAFT:
        before = Q(invoice__finalized_at__lt=invoice.finalized_at)
        same_instant = Q(invoice__finalized_at=invoice.finalized_at, invoice__lt=invoice.pk)
        earlier = earlier.filter(before | same_instant)
    return earlier


def tokens_under(event: EventRow, line: InvoiceLine) -> int:
    tokens = tokens_of(event.input_tokens, event.cached_input_tokens, event.cache_write_tokens, event.output_tokens)
    quantity: int = getattr(tokens, line.component)
    return quantity


def billed_event(event: EventRow, line: InvoiceLine, quantity: int) -> BilledEvent:
    amount = WIDE.multiply(Decimal(quantity), line.rate_per_million).scaleb(-6, WIDE)
    return BilledEvent(event, quantity, amount)
