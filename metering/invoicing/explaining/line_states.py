"""Which states of the ledger a line is made of.

A line bills what was used of its thing when its invoice was finalized, less what the invoices that stood then billed of it,
and each of those lines is such a difference itself. Unrolled, a line is a sum of states, each counted so many times: in
ordinary months what was used by then, once, and what was used when the thing was billed last, minus once; more where
invoices were voided in between. What a void invoice billed of its own month counts as billed until that is reissued; where
less than that is used, others only take back what they billed. The sum holds for every single event as for all of them, and
whatever happens to other invoices later changes nothing in it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from metering.invoicing.composing.books import BILLS_TOKENS
from metering.invoicing.lifecycle.draft import line_key
from metering.invoicing.models import Invoice, InvoiceLine
from workspaces.models import AuditEntry

FINALIZED, VOIDED, REISSUED = "invoice.finalized", "invoice.voided", "invoice.reissued"


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
    waiting: dict[str, list[BilledStates]] = {}
    for invoice, act in acts_on([*lines.values()]):
        if act == REISSUED:
            waiting.pop(invoice, None)
        elif act == VOIDED:
            left = standing.pop(invoice, [])
            if lines[invoice][0].invoice.period_start == line.period_start:
                waiting[invoice] = left
        else:
            for each in lines[invoice]:
                billed = billed_by(each, _all(standing), _all(waiting))
                if each.pk == line.pk:
                    return billed.states
                standing[invoice].append(billed)
    return billed_by(line, _all(standing), _all(waiting)).states


def billed_by(line: InvoiceLine, standing: Sequence[BilledStates], waiting: Sequence[BilledStates] = ()) -> BilledStates:
    """What the line bills, where others stood when its invoice was finalized, and others waited to be reissued."""
    times, waits = Counter[BilledState](), sum(each.quantity for each in waiting)
    for each in standing:
        times.subtract(each.states)
    stood = sum(each.quantity for each in standing)
    if waits <= 0 or line.quantity != -stood:
        for each in waiting:
            times.subtract(each.states)
        times[BilledState(line.invoice.finalized_at, line.quantity + stood + waits)] += 1
    return BilledStates(line.quantity, {state: count for state, count in times.items() if count})


def _all(by_invoice: Mapping[str, Sequence[BilledStates]]) -> list[BilledStates]:
    return [one for several in by_invoice.values() for one in several]


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


def acts_on(lines: Sequence[Sequence[InvoiceLine]]) -> Iterator[tuple[str, str]]:
    """(invoice, finalized, voided or reissued) in the order in which it was done to the invoices of these lines.

    The audit trail has it: it is written under the workspace's lock. Clocks are read before that, a job's once for all it
    finalizes, and may say otherwise.
    """
    invoices = {each.number: each.public_id for several in lines for each in [several[0].invoice]}
    workspaces = {several[0].invoice.workspace_id for several in lines}
    done = Q(target__in=list(invoices.values()), action__in=(FINALIZED, VOIDED))
    reissued = Q(workspace__in=workspaces, action=REISSUED, detail__voided__in=list(invoices))
    for target, action, detail in (
        AuditEntry.objects.filter(done | reissued).order_by("pk").values_list("target", "action", "detail")
    ):
        yield (invoices[detail["voided"]] if action == REISSUED else target), action
