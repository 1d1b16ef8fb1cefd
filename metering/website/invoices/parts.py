"""What the pages of an invoice and of a preview show: lines with their sums, how it is paid, and the money that came of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import QueryDict

from metering.invoicing.allowed import current_invoice_of
from metering.invoicing.composing.compose import InvoicePreview, is_adjustment
from metering.invoicing.composing.lines import DraftLine
from metering.invoicing.documents.annex import LINES_OF_A_PART
from metering.invoicing.documents.invoice import adjusts, amounts, instructions
from metering.invoicing.documents.parties import buyer
from metering.invoicing.documents.summary import MOST_LINES_PRINTED
from metering.invoicing.models import Invoice, InvoiceLine
from metering.payments.collecting.status_label import status_label_of
from metering.payments.models import PaymentAccount, Refund
from metering.templatetags.omixa import places
from metering.website.billing.pay_button import pay_button
from metering.website.more import more_of
from omixa_billing.api.cursors import invalid_cursor


@dataclass(frozen=True, slots=True)
class DisplayedLine:
    """A line, and whether it corrects an earlier month."""

    line: InvoiceLine | DraftLine
    adjusts: bool


@dataclass(frozen=True, slots=True)
class AnnexFile:
    """A part of the annex, and which lines it has; empty: all."""

    number: int
    lines: str


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that came for the invoice, or went back: below zero."""

    at: datetime
    name: str
    note: str
    state: str
    amount: Decimal


REFUNDS = {Refund.Status.STARTED: "In progress", Refund.Status.PENDING: "In progress", Refund.Status.FAILED: "Failed"}


def lines_of(bill: Invoice | InvoicePreview, query: QueryDict) -> dict[str, Any]:
    """For invoice_lines.html: as many of its lines as the page's address asks for."""
    more = more_of(query, lines_before)
    first = more.after or 0
    end = first + more.count
    rows = displayed_lines(bill, first, end + 1)
    shown, links = rows[: more.count], more.links("", str(end)) if len(rows) > more.count else None
    due = bill.amount_due if isinstance(bill, InvoicePreview) else bill.still_due
    aligned = places([row.line for row in shown], "amount_exact")
    return {"invoice": bill, "rows": shown, "more": links, "totals": amounts(bill), "due": due, "aligned": aligned}


def displayed_lines(bill: Invoice | InvoicePreview, first: int, end: int) -> list[DisplayedLine]:
    """Of all its lines, in their order, from the one after `first` on."""
    if isinstance(bill, InvoicePreview):
        return [DisplayedLine(line, is_adjustment(line, bill.period)) for line in bill.lines[first:end]]
    lines = bill.lines.filter(position__gte=first, position__lt=end).order_by("position")
    return [DisplayedLine(line, adjusts(line, bill)) for line in lines]


def lines_before(cursor: str) -> int:
    """Raises InvalidParameter."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise invalid_cursor()
    return int(cursor)


def annex_files(count: int) -> list[AnnexFile]:
    """Those of an invoice of so many lines that its own PDF only sums them up."""
    if count <= MOST_LINES_PRINTED:
        return []
    if count <= LINES_OF_A_PART:
        return [AnnexFile(1, "")]
    starts = range(0, count, LINES_OF_A_PART)
    return [AnnexFile(at, f"{start + 1:,} to {min(start + LINES_OF_A_PART, count):,}") for at, start in enumerate(starts, 1)]


def invoice_page_context(invoice: Invoice, query: QueryDict, now: datetime) -> dict[str, Any]:
    """For invoice_page.html. A draft's buyer is today's."""
    draft, count = invoice.status == Invoice.Status.DRAFT, invoice.lines.count()
    return {
        **lines_of(invoice, query),
        "line_count": count,
        "annex": annex_files(count),
        "standing": status_label_of(invoice, now),
        "pay": pay_button(invoice, PaymentAccount.objects.filter(workspace=invoice.workspace_id).first()),
        "instructions": instructions(invoice),
        "replaced_by": replacement_of(invoice),
        "buyer": buyer(invoice.workspace) if draft else invoice.buyer,
        "movements": movements(invoice),
    }


def replacement_of(invoice: Invoice) -> Invoice | None:
    """The invoice that bills a void one's month now."""
    if invoice.status != Invoice.Status.VOID:
        return None
    return current_invoice_of(invoice)


def movements(invoice: Invoice) -> list[Movement]:
    """Oldest first."""
    found = []
    for payment in invoice.payments.prefetch_related("refunds__credit_note"):
        found.append(Movement(payment.received_at, "Payment", payment.reference, payment.get_method_display(), payment.amount))
        for refund in payment.refunds.all():
            state = REFUNDS.get(Refund.Status(refund.status), payment.get_method_display())
            note = f"for {refund.credit_note}" if refund.credit_note else ""
            found.append(Movement(refund.settled_at or refund.started_at, "Refund", note, state, -refund.amount))
    return sorted(found, key=lambda each: each.at)
