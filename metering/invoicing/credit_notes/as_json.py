"""Credit notes as the API prints them."""

from typing import Any

from metering.invoicing.credit_notes.models import CreditNote, CreditNoteLine
from metering.money import cents_text
from omixa_billing.instants import instant_text


def credit_note_json(note: CreditNote) -> dict[str, Any]:
    """The credit note with all its lines."""
    lines = note.lines.select_related("invoice_line").order_by("position")
    return credit_note_summary_json(note) | {"lines": [credit_note_line_json(line) for line in lines]}


def credit_note_summary_json(note: CreditNote) -> dict[str, Any]:
    """The credit note without its lines, as lists and notifications have it."""
    return {
        "object": "credit_note",
        "id": note.public_id,
        "number": note.number,
        "invoice_id": note.invoice.public_id,
        "invoice_number": note.invoice.number,
        "reason": note.reason,
        "reference": note.reference or None,
        "seller": note.seller,
        "buyer": note.buyer,
        "subtotal": cents_text(note.subtotal),
        "taxes": note.taxes,
        "tax": cents_text(note.tax),
        "total": cents_text(note.total),
        "off_due": cents_text(note.off_due),
        "given_back": cents_text(note.given_back),
        "settlement": note.settlement or None,
        "currency": note.currency,
        "issued_at": instant_text(note.issued_at),
    }


def credit_note_line_json(line: CreditNoteLine) -> dict[str, Any]:
    return {
        "invoice_line_id": line.invoice_line.public_id,
        "description": line.description,
        "amount": cents_text(line.amount),
    }
