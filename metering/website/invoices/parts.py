"""What the pages of an invoice and of a preview show: lines with their sums, how it is paid, and the money that came of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.invoicing.allowed import current_invoice_of
from metering.invoicing.composing.compose import InvoicePreview, is_adjustment
from metering.invoicing.composing.lines import DraftLine
from metering.invoicing.documents.invoice import adjusts, amounts, instructions
from metering.invoicing.documents.parties import buyer
from metering.invoicing.models import Invoice, InvoiceLine
from metering.payments.collecting.status_label import status_label_of
from metering.payments.models import PaymentAccount, Refund
from metering.templatetags.omixa import places
from metering.website.billing.pay_button import pay_button


@dataclass(frozen=True, slots=True)
class DisplayedLine:
    """A line, and whether it corrects an earlier month."""

    line: InvoiceLine | DraftLine
    adjusts: bool


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that came for the invoice, or went back: below zero."""

    at: datetime
    name: str
    note: str
    state: str
    amount: Decimal


REFUNDS = {Refund.Status.STARTED: "Under way", Refund.Status.PENDING: "Under way", Refund.Status.FAILED: "Failed"}


def lines_of(bill: Invoice | InvoicePreview) -> dict[str, Any]:
    """For parts/invoice_lines.html."""
    if isinstance(bill, InvoicePreview):
        rows = [DisplayedLine(line, is_adjustment(line, bill.period)) for line in bill.lines]
        due = bill.amount_due
    else:
        rows = [DisplayedLine(line, adjusts(line, bill)) for line in bill.lines.all()]
        due = bill.still_due
    aligned = places([row.line for row in rows], "amount_exact")
    return {"invoice": bill, "rows": rows, "totals": amounts(bill), "due": due, "aligned": aligned}


def invoice_page_context(invoice: Invoice, now: datetime) -> dict[str, Any]:
    """For invoice_page.html. A draft's buyer is today's."""
    draft = invoice.status == Invoice.Status.DRAFT
    return {
        **lines_of(invoice),
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
