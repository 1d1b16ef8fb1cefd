"""The credit note as a page that prints, from the copies that it carries."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.documents.invoice import Links, day_name, rounded_amount, tax_rows
from metering.invoicing.documents.summary import MOST_LINES_PRINTED, summed_credits

GOES_BACK = {
    CreditNote.Settlement.REFUND: "Goes back as it was paid",
    CreditNote.Settlement.BALANCE: "Kept as credit",
    CreditNote.Settlement.OUTSIDE: "Goes back outside this product",
}


def credit_note_page(request: HttpRequest, note: CreditNote, links: Links | None = None) -> HttpResponse:
    """The page of a credit note that the caller has already found among its own workspace's; `links` lead away from it."""
    if links is None:
        of_invoice = f"/invoices/{note.invoice.public_id}"
        links = [(f"Invoice {note.invoice.number}", of_invoice), ("PDF", f"/credit-notes/{note.public_id}/pdf")]
    response = HttpResponse(render_credit_note(note, links))
    response["Cache-Control"] = "private, no-store"
    return response


def render_credit_note(note: CreditNote, links: Links = ()) -> str:
    """The whole HTML document, standing alone: it needs no other file."""
    return render_to_string("documents/credit_note.html", credit_note_context(note) | {"links": links})


def credit_note_context(note: CreditNote) -> dict[str, Any]:
    """What the document prints, every number a text; `rows` are (description, amount), the others (name, value)."""
    return {
        "note": note,
        "invoice": note.invoice,
        "title": f"Credit note {note.number}",
        "seller": note.seller,
        "buyer": note.buyer,
        "facts": credit_note_facts(note),
        "rows": credit_note_rows(note),
        "totals": credit_note_totals(note),
        "total": rounded_amount(note.total),
        "settled": use_of_total(note),
    }


def credit_note_rows(note: CreditNote) -> list[tuple[str, str]]:
    """(description, amount) of each line; of very many by model and component, as their invoice prints them."""
    lines = list(note.lines.order_by("position")[: MOST_LINES_PRINTED + 1])
    if len(lines) <= MOST_LINES_PRINTED:
        return [(line.description, rounded_amount(line.amount)) for line in lines]
    return [(text, rounded_amount(amount)) for text, amount in summed_credits(note)]


def credit_note_facts(note: CreditNote) -> list[tuple[str, str]]:
    invoice = note.invoice
    return [
        ("Credit note number", note.number),
        ("Issued", day_name(note.issued_at)),
        ("For invoice", str(invoice.number)),
        ("Invoice issued", day_name(invoice.finalized_at)),
        ("Billing period", str(invoice.period)),
        *([("Reference", note.reference)] if note.reference else []),
    ]


def credit_note_totals(note: CreditNote) -> list[tuple[str, str]]:
    """What stands between the lines and the total."""
    taxes = tax_rows(note.taxes, note.subtotal) or [("Tax", note.tax)]
    return [(name, rounded_amount(amount)) for name, amount in [("Subtotal", note.subtotal), *taxes]]


def use_of_total(note: CreditNote) -> list[tuple[str, str]]:
    """What becomes of the total."""
    rows = [("Taken off what was due", note.off_due)]
    if note.settlement:
        rows.append((GOES_BACK[CreditNote.Settlement(note.settlement)], note.given_back))
    return [(name, rounded_amount(amount)) for name, amount in rows if amount]
