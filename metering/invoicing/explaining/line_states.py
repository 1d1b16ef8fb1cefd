"""Which states of the ledger a line is made of.

A line bills what was used of its thing when its invoice was finalized, less what the invoices that stood then billed of it,
and each of those lines is such a difference itself. Unrolled, a line is a sum of states, each counted so many times: in
ordinary months what was used by then, once, and what was used when the thing was billed last, minus once; more where
invoices were voided in between. The sum holds for every single event as for all of them, and whatever happens to other
invoices later changes nothing in it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from metering.invoicing.composing.adjustments import BILLS_TOKENS
from metering.invoicing.lifecycle.draft import line_key
from metering.invoicing.models import Invoice, InvoiceLine
from workspaces.models import AuditEntry

FINALIZED, VOIDED = "invoice.finalized", "invoice.voided"


class BilledState(NamedTuple):
    """What was used of a line's thing when an invoice was finalized: `tokens`, at `at` by its clock; a draft's is None."""

    at: datetime | None
    tokens: int


class BilledStates(NamedTuple):
    """What one line bills: `quantity` tokens, which are these states, each so many times."""

    quantity: int
    states: dict[BilledState, int]


def states_of(line: InvoiceLine) -> dict[BilledState, int]:
    """The states that the line is made of and how often each is counted, below zero where it is taken off."""
    lines: dict[str, list[InvoiceLine]] = defaultdict(list)
    for each in lines_of_price_scope(line):
        lines[each.invoice.public_id].append(each)
    standing: dict[str, list[BilledStates]] = defaultdict(list)
    for invoice, act in acts_on(lines):
        if act == VOIDED:
            standing.pop(invoice, None)
            continue
        for each in lines[invoice]:
            billed = billed_by(each, [one for several in standing.values() for one in several])
            if each.pk == line.pk:
                return billed.states
            standing[invoice].append(billed)
    return billed_by(line, [one for several in standing.values() for one in several]).states


def billed_by(line: InvoiceLine, standing: Iterable[BilledStates]) -> BilledStates:
    """What the line bills, where others stood when its invoice was finalized."""
    used, times = line.quantity, Counter[BilledState]()
    for each in standing:
        used += each.quantity
        times.subtract(each.states)
    times[BilledState(line.invoice.finalized_at, used)] += 1
    return BilledStates(line.quantity, {state: count for state, count in times.items() if count})


def lines_of_price_scope(line: InvoiceLine) -> Iterable[InvoiceLine]:
    """All that ever billed it, those on void invoices too, but no draft's."""
    key = line_key(line)
    lines = InvoiceLine.objects.filter(
        invoice__workspace=line.invoice.workspace_id,
        kind__in=BILLS_TOKENS,
        period_start=key.month,
        language_model=key.model_id,
        service_tier=key.service_tier,
        price=key.price,
        component=key.component,
    )
    return lines.exclude(invoice__status=Invoice.Status.DRAFT).select_related("invoice").order_by("invoice", "position")


def acts_on(invoices: Iterable[str]) -> Iterable[tuple[str, str]]:
    """(invoice, finalized or voided) in the order in which it was done.

    The audit trail has it: it is written under the workspace's lock. Clocks are read before that, a job's once for all it
    finalizes, and may say otherwise.
    """
    acts = AuditEntry.objects.filter(target__in=list(invoices), action__in=(FINALIZED, VOIDED))
    return acts.order_by("pk").values_list("target", "action")
