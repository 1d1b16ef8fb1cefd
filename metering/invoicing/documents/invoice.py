"""The invoice as a page that prints. Everything on a finalized one is printed from the copies the invoice carries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from metering.components import Component, component_named
from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.composing.taxes import tax_label
from metering.invoicing.documents.parties import buyer, seller
from metering.invoicing.documents.summary import ALL_TOKENS, PrintedLine, printed_lines, summary_note
from metering.invoicing.models import Invoice, InvoiceLine
from metering.money import exact_text

EXACT = "Exact amounts are not rounded. Their sum is rounded once, to the cent, and the displayed amounts add up to it."
NOTES = {
    Invoice.Status.DRAFT: "It has no number yet and may still change.",
    Invoice.Status.VOID: "Nothing is owed on this invoice.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line, every number a text."""

    description: str
    quantity: str
    rate: str
    exact: str
    amount: str

    @property
    def says_its_unit(self) -> bool:
        """Whether the rate is not for a million tokens, and says itself what it is for."""
        return " per " in self.rate


@dataclass(frozen=True, slots=True)
class Section:
    """Lines of one month under a heading."""

    title: str
    rows: list[Row]


Links = Sequence[tuple[str, str]]


def invoice_document(
    request: HttpRequest, invoice: Invoice, links: Links = (("All invoices", "/invoices"),), state: str = ""
) -> HttpResponse:
    """The page of an invoice that the caller has already found among its own workspace's; `links` lead away from it, and
    `state` is said in the reader's words.
    """
    return HttpResponse(render_invoice(invoice, links, state))


def render_invoice(invoice: Invoice, links: Links = (), state: str = "") -> str:
    """The whole HTML document, without the frame of other pages. It says what the PDF says.

    `links` are (words, address); they and `state` are on the screen only, and not printed.
    """
    on_screen = {"links": links, "state": state or invoice.get_status_display()}
    return render_to_string("documents/invoice.html", invoice_context(invoice, as_issued=True) | on_screen)


def invoice_context(invoice: Invoice, as_issued: bool = False) -> dict[str, Any]:
    """What the document prints; `as_issued` without what was paid and credited since, as a paper knows nothing of it."""
    lines, notes = printed_lines(invoice), document_notes(invoice)
    remarks = [summary_note(lines), *(text for name, text in notes.items() if name != "purchase_order")]
    sells, buys = parties(invoice)
    return {
        "invoice": invoice,
        "title": f"Invoice {invoice.number}" if invoice.number else "Draft invoice",
        "seller": sells,
        "buyer": buys,
        "notes": [text for text in remarks if text],
        "note": NOTES.get(Invoice.Status(invoice.status), ""),
        "instructions": instructions(invoice, as_issued),
        "facts": invoice_facts(invoice, as_issued),
        "sections": sections(invoice, lines),
        "totals": invoice_totals(invoice, as_issued),
        "amount_due": rounded_amount(due_when_issued(invoice) if as_issued else invoice.still_due),
        "exact_note": EXACT,
        "subtotal_exact": exact_amount(invoice.subtotal_exact, amount_places(lines)),
    }


def parties(invoice: Invoice) -> tuple[dict[str, str], dict[str, str]]:
    """Seller and buyer as it prints them: a draft's are today's."""
    if invoice.status == Invoice.Status.DRAFT:
        return seller(), buyer(invoice.workspace)
    return invoice.seller, invoice.buyer


def document_notes(invoice: Invoice) -> dict[str, str]:
    """What it must or may say, such as why there is no tax on it."""
    notes: dict[str, str] = invoice.notes
    return notes


def instructions(invoice: Invoice, as_issued: bool = False) -> str:
    """How to pay what is open on it, where the operator says so."""
    due = due_when_issued(invoice) if as_issued else invoice.still_due
    return str(settings.PAYMENT_INSTRUCTIONS) if invoice.number and due > 0 else ""


def invoice_facts(invoice: Invoice, as_issued: bool) -> list[tuple[str, str]]:
    """Number, dates and period, as far as they are settled."""
    known = [
        ("Invoice number", invoice.number),
        ("Billing period", str(invoice.period)),
        ("Issued", day_name(invoice.finalized_at)),
        ("Due", day_name(invoice.due_at)),
        ("Paid", "" if as_issued else day_name(invoice.paid_at)),
        ("Purchase order", document_notes(invoice).get("purchase_order", "")),
    ]
    return [(name, value) for name, value in known if value]


def sections(invoice: Invoice, lines: Sequence[PrintedLine]) -> list[Section]:
    """The month's usage, then what is adjusted, month by month, in the lines' own order."""
    places = amount_places(lines)
    found: dict[str, list[Row]] = {}
    for line in lines:
        month = f"{line.period_start:%B %Y}"
        title = f"Adjustments for {month}" if adjusts(line, invoice) else section_title(line, month)
        text = line.description.removeprefix(f"{month}: ") if adjusts(line, invoice) else line.description
        row = Row(
            text, line_quantity(line), line_rate(line), exact_amount(line.amount_exact, places), rounded_amount(line.amount)
        )
        found.setdefault(title, []).append(row)
    return [Section(title, rows) for title, rows in found.items()]


def section_title(line: PrintedLine, month: str) -> str:
    by_hand = line.kind in (InvoiceLine.Kind.FEE, InvoiceLine.Kind.MANUAL)
    return f"Fees and other items in {month}" if by_hand else f"Usage in {month}"


def due_when_issued(invoice: Invoice) -> Decimal:
    return Decimal(0) if invoice.status == Invoice.Status.VOID else invoice.total - invoice.credits_applied


def adjusts(line: PrintedLine, invoice: Invoice) -> bool:
    """Whether it corrects an earlier month: discounts and minimums of one do so as tokens do."""
    return line.kind == InvoiceLine.Kind.ADJUSTMENT or line.period_start != invoice.period_start


def amounts(bill: Invoice | InvoicePreview, as_issued: bool = False) -> list[tuple[str, Decimal]]:
    """What stands between the lines and the amount due, by name: the total adds up what is above it, the due all of it."""
    taxes = [tax.as_json() for tax in bill.taxes] if isinstance(bill, InvoicePreview) else bill.taxes
    rows = [("Subtotal", bill.subtotal)]
    if bill.promotional:
        rows.append(("Promotional credits", -bill.promotional))
    rows += tax_rows(taxes, bill.subtotal - bill.promotional)
    if not taxes and not bill.notes.get("tax_note"):
        rows.append(("Tax", bill.tax))
    rows.append(("Total", bill.total))
    since = [] if as_issued else [("Credited", bill.credited), ("Paid", bill.amount_paid), ("Taken back", -bill.charged_back)]
    lowered_by = [("Credits applied", bill.credits_applied), *since]
    return rows + [(name, -amount) for name, amount in lowered_by if amount]


def invoice_totals(invoice: Invoice, as_issued: bool) -> list[tuple[str, str]]:
    """`amounts` as the document prints them."""
    return [(name, rounded_amount(amount)) for name, amount in amounts(invoice, as_issued)]


def tax_rows(taxes: list[dict[str, str]], net: Decimal) -> list[tuple[str, Decimal]]:
    """Each tax, and what it is on where that is not all of the net."""
    rows = []
    for tax in taxes:
        taxable = Decimal(tax["taxable"])
        if not taxable and net:
            continue
        on = "" if taxable == net else f" on {rounded_amount(taxable)}"
        rows.append((f"{tax_label(tax['name'], tax['percent'])}{on}", Decimal(tax["amount"])))
    return rows


def amount_places(lines: Iterable[PrintedLine]) -> int:
    """Decimals that show every exact amount of the invoice whole, so that their points stand in one column."""
    return max((len(exact_text(line.amount_exact).rstrip("0").partition(".")[2]) for line in lines), default=2)


def exact_amount(amount: Decimal, places: int) -> str:
    return f"{amount:,.{max(places, 2)}f}"


def rounded_amount(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def line_rate(line: PrintedLine) -> str:
    """USD per million tokens, without needless zeros: 1.50, 0.375, 0.000001; empty where there is none, or are several.

    Of what is not counted in tokens, with what it is for: 0.01 per search.
    """
    if not line.component or line.rate_per_million is None:
        return ""
    component = printed_component(line)
    rate = line.rate_per_million if component is None else component.stated_rate(line.rate_per_million)
    whole, _, decimals = f"{rate:,f}".partition(".")
    number = f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
    return number if component is None or component.is_tokens else f"{number} per {component.per_label}"


def line_quantity(line: PrintedLine) -> str:
    """Tokens as a number alone, and what else is counted with its unit: 1,234 ms. Empty where no usage is billed."""
    if not line.component:
        return ""
    component = printed_component(line)
    return f"{line.quantity:,}" if component is None else component.quantity_text(line.quantity)


def printed_component(line: PrintedLine) -> Component | None:
    """None for a sum over several."""
    return None if line.component == ALL_TOKENS else component_named(line.component)


def day_name(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d}"
