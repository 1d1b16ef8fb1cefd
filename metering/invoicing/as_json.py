"""Invoices as the API prints them."""

from __future__ import annotations

from typing import Any

from metering.components import component_named
from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.composing.lines import DraftLine
from metering.invoicing.documents.parties import buyer, buyer_by, seller
from metering.invoicing.explaining.explain import BilledEvent
from metering.invoicing.models import Invoice, InvoiceLine
from metering.money import cents_text, exact_text, rate_text
from metering.usage.rows import event_json
from omixa_billing.instants import instant_text


def invoice_json(invoice: Invoice) -> dict[str, Any]:
    """A stored invoice with all its lines."""
    return invoice_summary_json(invoice) | {"lines": [line_json(line) for line in invoice.lines.all()]}


def invoice_summary_json(invoice: Invoice) -> dict[str, Any]:
    """A stored invoice without its lines, as lists and notifications have it. A draft's seller and buyer are today's."""
    draft = invoice.status == Invoice.Status.DRAFT
    return {
        "object": "invoice",
        "id": invoice.public_id,
        "number": invoice.number,
        "status": invoice.status,
        "period_start": instant_text(invoice.period_start),
        "period_end": instant_text(invoice.period_end),
        "seller": seller() if draft else invoice.seller,
        "buyer": buyer(invoice.workspace) if draft else invoice.buyer,
        "line_count": invoice.lines.count() if invoice.line_count is None else invoice.line_count,
        **amounts_json(invoice),
        "credit_notes": [note.public_id for note in invoice.credit_notes.all()],
        "finalized_at": instant_text(invoice.finalized_at),
        "due_at": instant_text(invoice.due_at),
        "paid_at": instant_text(invoice.paid_at),
    }


def void_month_json(invoice: Invoice) -> dict[str, Any]:
    """A void invoice whose month waits for its reissue, as closing names it."""
    return {
        "id": invoice.public_id,
        "number": invoice.number,
        "workspace_id": invoice.workspace.public_id,
        "month": f"{invoice.period_start:%Y-%m}",
        "total": cents_text(invoice.total),
    }


def preview_json(preview: InvoicePreview) -> dict[str, Any]:
    """A preview in the same shape: a draft that has no id yet."""
    return {
        "object": "invoice",
        "id": None,
        "number": None,
        "status": Invoice.Status.DRAFT,
        "period_start": instant_text(preview.period.start),
        "period_end": instant_text(preview.period.end),
        "seller": seller(),
        "buyer": buyer_by(preview.terms),
        "line_count": len(preview.lines),
        "lines": [preview_line_json(line) for line in preview.lines],
        **amounts_json(preview),
        "credit_notes": [],
        "finalized_at": None,
        "due_at": None,
        "paid_at": None,
    }


def amounts_json(invoice: Invoice | InvoicePreview) -> dict[str, Any]:
    return {
        "subtotal_exact": exact_text(invoice.subtotal_exact),
        "subtotal": cents_text(invoice.subtotal),
        "promotional_credits": cents_text(invoice.promotional),
        "taxes": taxes_json(invoice),
        "tax": cents_text(invoice.tax),
        "total": cents_text(invoice.total),
        "credits_applied": cents_text(invoice.credits_applied),
        "amount_paid": cents_text(invoice.amount_paid),
        "credited": cents_text(invoice.credited),
        "charged_back": cents_text(invoice.charged_back),
        "amount_due": cents_text(invoice.still_due),
        "notes": invoice.notes,
        "currency": invoice.currency,
    }


def taxes_json(invoice: Invoice | InvoicePreview) -> list[dict[str, str]]:
    if isinstance(invoice, InvoicePreview):
        return [tax.as_json() for tax in invoice.taxes]
    return list(invoice.taxes)


def line_json(line: InvoiceLine) -> dict[str, Any]:
    period = {"period_start": instant_text(line.period_start), "period_end": instant_text(line.period_end)}
    return {"id": line.public_id, **common_json(line), **period, "price_id": line.price if line.component else None}


def preview_line_json(line: DraftLine) -> dict[str, Any]:
    period = {"period_start": instant_text(line.period.start), "period_end": instant_text(line.period.end)}
    return {"id": None, **common_json(line), **period, "price_id": line.price if line.component else None}


def rate_json(line: InvoiceLine | DraftLine) -> dict[str, str | None]:
    if not line.component:
        return {"unit": None, "rate": None, "rate_for": None, "rate_per_million": None}
    component = component_named(line.component)
    return {
        "unit": component.unit,
        "rate": component.rate_text(line.rate_per_million),
        "rate_for": component.per_label,
        "rate_per_million": rate_text(line.rate_per_million) if component.is_tokens else None,
    }


def common_json(line: InvoiceLine | DraftLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "description": line.description,
        "model": line.model or None,
        "service_tier": line.service_tier or None,
        "component": line.component or None,
        "quantity": line.quantity,
        **rate_json(line),
        "amount_exact": exact_text(line.amount_exact),
        "amount": cents_text(line.amount),
    }


def billed_event_json(billed: BilledEvent) -> dict[str, Any]:
    """The event as the usage API prints it, and what of it the line bills."""
    return event_json(billed.event) | {"quantity": billed.quantity, "amount_exact": exact_text(billed.amount_exact)}
