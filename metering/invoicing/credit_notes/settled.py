"""Corrections that a credit note gives back, so that no later invoice gives them back as well.

What was corrected of a finalized month waits for the next invoice, as an adjustment below zero. A customer who leaves gets no
other. A credit note of the same lines settles it instead: as far as its amount goes the adjustment counts as billed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.invoicing.composing.compose import compose
from metering.invoicing.composing.lines import DraftLine
from metering.invoicing.credit_notes.models import CreditNote, SettledAdjustment
from metering.invoicing.models import Invoice, InvoiceLine
from metering.money import ONE_PICO, WIDE, round_to_cents
from metering.periods import month_of
from workspaces.models import Workspace

NOTHING = Decimal("0.00")
OF_TOKENS = (InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT)
# Fees and manual lines do not follow usage, and wait for their next invoice.
CHARGED_ON_USAGE = (InvoiceLine.Kind.DISCOUNT, InvoiceLine.Kind.MINIMUM)
ItemKey = tuple[int, str, str, str]


@dataclass(frozen=True, slots=True)
class PendingAdjustment:
    """What is pending of the invoice's month, of the lines asked for: their tokens, and `part` of its discount and minimum.

    `net`, in whole cents before tax, is what a credit note gives back to settle all of it.
    """

    tokens: Sequence[DraftLine]
    charges: Sequence[DraftLine]
    part: Decimal
    net: Decimal


def pending_lines(workspace: Workspace, after: datetime) -> Sequence[DraftLine]:
    """What is pending of all months that ended until then, as the invoice of the next month would bill it."""
    return compose(workspace, month_of(after)).lines


def pending_adjustment(
    invoice: Invoice, pending: Sequence[DraftLine], items: Collection[ItemKey] | None = None
) -> PendingAdjustment | None:
    """Of a finalized invoice's own month, out of `pending_lines`, of lines with these keys, or of all; None where nothing is to
    be given back.
    """
    lines = [line for line in pending if line.period.start == invoice.period_start]
    tokens = [line for line in lines if line.kind in OF_TOKENS]
    chosen = [line for line in tokens if line.amount_exact < 0 and (items is None or item_of(line) in items)]
    whole, some = _sum(tokens), _sum(chosen)
    if items is None:
        chosen, some = tokens, whole
    if some >= 0 or whole >= 0:
        return None
    charges = [line for line in lines if line.kind in CHARGED_ON_USAGE]
    part = min(WIDE.divide(some, whole), Decimal(1))
    net = -round_to_cents(WIDE.add(some, WIDE.multiply(_sum(charges), part)))
    return PendingAdjustment(chosen, charges, part, net) if net > 0 else None


def settle_adjustment(note: CreditNote) -> Decimal:
    """Settles what is pending of the note's lines, as far as its net goes; how much, in whole cents before tax."""
    items = {item_of_line(line.invoice_line) for line in note.lines.select_related("invoice_line")}
    invoice = note.invoice
    pending = pending_adjustment(invoice, pending_lines(invoice.workspace, invoice.period_end), items)
    if pending is None:
        return NOTHING
    share = min(WIDE.divide(note.subtotal, pending.net), Decimal(1))
    rows = [_settled(note, line, share) for line in pending.tokens]
    rows += [_settled(note, line, WIDE.multiply(share, pending.part)) for line in pending.charges]
    SettledAdjustment.objects.bulk_create(row for row in rows if row.quantity or row.amount_exact)
    return min(note.subtotal, pending.net)


def item_of(line: DraftLine) -> ItemKey:
    return line.key.model_id, line.service_tier, line.price, line.component


def item_of_line(line: InvoiceLine) -> ItemKey:
    return line.language_model_id or 0, line.service_tier, line.price, line.component


def _settled(note: CreditNote, line: DraftLine, share: Decimal) -> SettledAdjustment:
    """Of tokens a whole number, so that their amount stays tokens times rate; of charges to the pico-dollar."""
    is_tokens = line.kind in OF_TOKENS
    quantity = int(WIDE.multiply(Decimal(line.quantity), share)) if is_tokens else 0
    cost = WIDE.multiply(Decimal(quantity), line.rate_per_million).scaleb(-6, WIDE)
    amount = cost if is_tokens else WIDE.multiply(line.amount_exact, share)
    return SettledAdjustment(
        credit_note=note,
        month=line.period.start,
        kind=line.kind,
        language_model_id=line.key.model_id or None,
        service_tier=line.service_tier,
        price=line.price,
        component=line.component,
        quantity=quantity,
        amount_exact=amount.quantize(ONE_PICO, context=WIDE),
    )


def _sum(lines: Sequence[DraftLine]) -> Decimal:
    total = Decimal(0)
    for line in lines:
        total = WIDE.add(total, line.amount_exact)
    return total
