"""The events under an invoice line: the responses it bills, each rated with the line's price version.

Finalizing the invoice fixes which they are: voiding or reissuing another one later changes nothing (line_states.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from metering.breakdown import billed_sql
from metering.catalogue.models import PriceVersion
from metering.components import NAMES, component_named
from metering.ingest.models import ServiceTier
from metering.invoicing.composing.books import BILLS_TOKENS
from metering.invoicing.composing.lines import used
from metering.invoicing.explaining.billed_states import (
    LogPlace,
    by_clock,
    places_in_log,
    quantities_of,
    quantity_sql,
    rates_of_line,
    was_changed,
)
from metering.invoicing.explaining.line_states import BilledState, states_of
from metering.invoicing.lifecycle.draft import line_key
from metering.invoicing.models import InvoiceLine
from metering.money import WIDE
from metering.usage.events.events import EventPosition, EventQuestion, EventRow, page_in_scope
from metering.usage.filters import UsageConditions

# Of a month in which something was corrected, an event may have had the line's tier and have another one now.
OF_THE_MODEL = ("workspace_id = %(workspace)s", "model_id = %(line_model)s")
OF_THE_ITEM = (*OF_THE_MODEL, "service_tier_id = %(line_tier)s")


@dataclass(frozen=True, slots=True)
class BilledEvent:
    """An event, and what of it the line bills: tokens of the line's component, and exact USD."""

    event: EventRow
    quantity: int
    amount_exact: Decimal


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which events a line bills, worked out once for all its pages.

    `billed` is what it bills of an event, as SQL with the scope's parameters; None: all the tokens of the line's component.
    """

    line: InvoiceLine
    scope: UsageConditions
    billed: str | None = None


BilledPage = tuple[list[BilledEvent], EventPosition | None]


def events_under(line: InvoiceLine, limit: int, after: EventPosition | None = None) -> BilledPage:
    """The newest `limit` events below `after` that the line bills, newest first, and where it ends if there are more.

    Their quantities add up to the line's. What arrived after the line was finalized is not among them, and under a line
    that adjusts are only those that had not been billed before; what was corrected or rated again since is there as it was
    billed. A month that is billed again shows what it should have been billed, less what other invoices billed of it: so a
    request that a later invoice took back is under the reissued line as under the void one, and under the later one with
    its tokens below zero.

    Not so where the log of the month never comes to what an invoice found: it was finalized while a worker was recording
    events of that month, or pricing some that had waited, and of which it found there is no record. Then too much is shown
    rather than the wrong events, all that the month holds of the same thing; and in a month that was corrected or rated
    again, what stood by the invoice's clock. Where the log comes to it twice, the clock decides: so events are exchanged
    only for others that carry exactly as many tokens, around the very moment of a finalization. A line that takes tokens
    back though nothing was corrected, which only an operator can issue, shows all that its month holds too.
    """
    return explanation_page(explanation_of(line), limit, after)


def explanation_page(explanation: Explanation | None, limit: int, after: EventPosition | None = None) -> BilledPage:
    """The same of an explanation that is at hand: a page costs what it shows."""
    if explanation is None:
        return [], None
    line, scope, billed = explanation.line, explanation.scope, explanation.billed
    question = EventQuestion(line.invoice.workspace, line.period_start, line.period_end)
    events, last = page_in_scope(question, scope, limit, after)
    if billed is None:
        return [billed_event(event, line, event.billed.get(line.component, 0)) for event in events], last
    quantities = quantities_of(billed, scope, events)
    return [billed_event(event, line, quantities[event.id]) for event in events], last


def explanation_of(line: InvoiceLine) -> Explanation | None:
    """None for a line that bills no tokens. Reads the line's month once, unless the line simply bills all of it."""
    if line.kind not in BILLS_TOKENS:
        return None
    whole, states, changed = whole_month(line), states_of(line), was_changed(line)
    if not changed and (line.quantity < 0 or bills_all(line, states)):
        return Explanation(line, whole)
    places = places_in_log(list(states), line, whole.parameters)
    if not changed and len(places) < len(states):
        return Explanation(line, whole)
    times: Counter[LogPlace] = Counter()
    for state, count in states.items():
        times[places.get(state, by_clock(state))] += count
    billed, parameters = quantity_sql(line, times, changed)
    conditions = OF_THE_MODEL if changed else whole.conditions
    return Explanation(
        line, UsageConditions((*conditions, f"{billed} <> 0"), whole.parameters | parameters, narrow=False), billed
    )


def bills_all(line: InvoiceLine, states: dict[BilledState, int]) -> bool:
    """Whether the line bills everything that its month holds of the thing; of a month in which nothing was changed."""
    if list(states.values()) != [1]:
        return False
    now = used(line.invoice.workspace, line.period_start, line.period_end)
    return now.get(line_key(line), 0) == line.quantity


def whole_month(line: InvoiceLine) -> UsageConditions:
    """Everything the month holds of the line's model, tier and price version, with tokens of its component."""
    parameters = {
        "workspace": line.invoice.workspace_id,
        "line_model": line.language_model_id,
        "line_tier": ServiceTier.objects.values_list("pk", flat=True).get(name=line.service_tier),
        "line_price": PriceVersion.objects.values_list("pk", flat=True).get(public_id=line.price),
    }
    rates = rates_of_line(line)
    billed = billed_sql(component_named(line.component), rates=rates)
    conditions = (*OF_THE_ITEM, "price_id = %(line_price)s", f"{billed} > 0")
    # Of columns that events and rollups share: above zero, a rollup's row has an event with such tokens, and others without.
    # Other components have no such column.
    return UsageConditions(conditions, parameters, narrow=len(rates) == len(NAMES))


def billed_event(event: EventRow, line: InvoiceLine, quantity: int) -> BilledEvent:
    amount = WIDE.multiply(Decimal(quantity), line.rate_per_million).scaleb(-6, WIDE)
    return BilledEvent(event, quantity, amount)
