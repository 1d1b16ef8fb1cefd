"""Every line of an invoice, on request: as CSV, streamed, and as PDF in parts, so that any number takes a bounded time and
memory.
"""

from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse

from metering.invoicing.as_json import line_json
from metering.invoicing.documents.invoice import amount_places, exact_amount, line_quantity, line_rate, parties, rounded_amount
from metering.invoicing.documents.pdf import ANNEX, compiled
from metering.invoicing.models import Invoice, InvoiceLine
from metering.usage.exports import csv_download

LINES_OF_A_PART = 1_000  # a second, and a hundred megabytes while it is made
LINES_AT_ONCE = 1_000
COLUMNS = [
    *("id", "kind", "description", "model", "service_tier", "component", "quantity", "rate_per_million"),
    *("amount_exact", "amount", "period_start", "period_end", "price_id", "unit", "rate", "rate_for"),
]


def document_name(invoice: Invoice) -> str:
    """What its files are called."""
    return invoice.number or invoice.public_id


def annex_parts(invoice: Invoice) -> int:
    return -(-invoice.lines.count() // LINES_OF_A_PART)


def annex_csv(invoice: Invoice, for_people: bool = False) -> StreamingHttpResponse:
    """The same columns as the lines have in the API."""

    def rows() -> Iterator[dict[str, Any]]:
        yield from map(line_json, invoice.lines.order_by("position").iterator(LINES_AT_ONCE))

    return csv_download(f"{document_name(invoice)}-lines.csv", COLUMNS, rows(), for_people)


def annex_pdf(invoice: Invoice, part: int) -> bytes:
    """Part 1 to `annex_parts`. Raises ImproperlyConfigured, as the invoice's own PDF does."""
    count, first = invoice.lines.count(), (part - 1) * LINES_OF_A_PART
    lines = list(invoice.lines.order_by("position")[first : first + LINES_OF_A_PART])
    last = first + len(lines)
    seller, buyer = parties(invoice)
    places, currency = amount_places(lines), invoice.currency
    data = {
        "title": f"Annex to invoice {invoice.number}" if invoice.number else "Annex to a draft invoice",
        "seller": seller,
        "facts": [f"{buyer['name']}, {invoice.period}: lines {first + 1:,} to {last:,} of {count:,}."],
        "columns": ["Line", "Description", "Quantity", f"{currency} per million", f"Exact {currency}", currency],
        "rows": [[f"{first + at:,}", *cells(line, places)] for at, line in enumerate(lines, 1)],
    }
    return compiled(ANNEX, data, tags=False)


def cells(line: InvoiceLine, places: int) -> list[str]:
    amounts = [exact_amount(line.amount_exact, places), rounded_amount(line.amount)]
    return [line.description, line_quantity(line), line_rate(line), *amounts]
