"""Corrections that a credit note gives back, so that no later invoice gives them back as well.

What was corrected of a finalized month waits for the next invoice, as an adjustment below zero. A customer who leaves gets no
other. A credit note of the same lines settles it instead, whether it was issued before the correction came or after: see
composing/credited.py. What is settled is kept when a note is issued and when an invoice leaves it out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.invoicing.composing.compose import compose
from metering.invoicing.composing.credited import Settlement
from metering.invoicing.composing.lines import DraftLine
from metering.invoicing.credit_notes.models import CreditNote, SettledAdjustment
from metering.invoicing.models import Invoice, InvoiceLine
from metering.money import WIDE, round_to_cents
from metering.periods import month_of
from workspaces.models import Workspace

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class PendingAdjustment:
    """What the next invoice would take back of a month: the lines below zero of its usage and its fees.

    `net`, in whole cents before tax, is what a credit note gives back to settle all of it, discount and minimum included.
    """

    lines: Sequence[DraftLine]
    net: Decimal


def pending_lines(workspace: Workspace, after: datetime) -> Sequence[DraftLine]:
    """What is pending of all months that ended until then, as the invoice of the next month would bill it."""
    return compose(workspace, month_of(after)).lines


def pending_adjustment(invoice: Invoice, pending: Sequence[DraftLine]) -> PendingAdjustment | None:
    """What is pending of a finalized invoice's own month, out of `pending_lines`; None where nothing is to be given back.

    Manual lines wait for their next invoice: no line of an invoice is corrected by them.
    """
    lines = [line for line in pending if line.period.start == invoice.period_start and line.kind != InvoiceLine.Kind.MANUAL]
    corrects = (InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT, InvoiceLine.Kind.FEE)
    negative = [line for line in lines if line.kind in corrects and line.amount_exact < 0]
    total = Decimal(0)
    for line in lines:
        total = WIDE.add(total, line.amount_exact)
    net = -round_to_cents(total)
    return PendingAdjustment(negative, net) if net > 0 and negative else None


def settle_adjustment(note: CreditNote) -> Decimal:
    """Settles what is pending of the note's lines, as far as its net goes; how much, in whole cents before tax."""
    invoice = note.invoice
    settlements = compose(invoice.workspace, month_of(invoice.period_end)).settlements
    store_settlements(settlements)
    return sum((each.net for each in settlements if each.note_id == note.pk), NOTHING)


def store_settlements(settlements: Iterable[Settlement]) -> None:
    """Makes them count as billed from now on. The transaction holds the workspace under whose lock they were worked out."""
    SettledAdjustment.objects.bulk_create(
        SettledAdjustment(
            credit_note_id=each.note_id,
            month=each.month,
            kind=item.kind,
            language_model_id=item.key.model_id or None,
            service_tier=item.key.service_tier,
            price=item.key.price,
            component=item.key.component,
            quantity=item.quantity,
            amount_exact=item.amount_exact,
        )
        for each in settlements
        for item in each.items
    )
