"""The printed invoice: every number as the invoice holds it, and nothing read live once it is finalized."""

import re
from pathlib import Path
from typing import Any

import pytest

from metering.invoicing.documents.invoice import render_invoice
from metering.invoicing.documents.pdf import invoice_pdf
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
from metering.payments.collecting.manual import mark_paid
from tests.kit.billing import AUGUST, Meter, closed, finalized, tokens
from tests.kit.factories import NOW, make_price
from tests.kit.pages import text_of_pdf
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)


def text_of(invoice: Invoice) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", render_invoice(invoice), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_it_prints_every_line_exact_and_displayed(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00")
    (invoice,) = finalized()
    printed = text_of(invoice)
    assert "codex-mini, input 86 1.50 0.000129 0.00" in printed
    assert "codex-mini, cached input 1,920 0.375 0.000720 0.00" in printed
    assert "codex-mini, output 300 6.00 0.001800 0.00" in printed
    assert "Subtotal 0.00 exact 0.002649 Tax 0.00 Total 0.00 Amount due USD 0.00" in printed
    assert "Invoice number OMX-2026-00001" in printed
    assert "Billing period 2026-09-01 to 2026-09-30 Issued 2026-10-15 Due 2026-10-29" in printed


def test_where_a_note_says_why_there_is_no_tax_no_row_of_nothing_does(use: Meter, key: APIKey, acme: Workspace) -> None:
    BillingTerms.objects.create(workspace=acme, tax_treatment="reverse_charge")
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    printed = text_of(invoice)
    assert "Reverse charge: the recipient of the service accounts for the tax." in printed
    assert "Subtotal 1.50 exact 1.50 Total 1.50 Amount due USD 1.50" in printed


def test_adjustments_stand_under_their_month(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    finalized(AUGUST)
    use(key, "08-11T00:00", usage=MILLION)
    (invoice,) = finalized()
    assert (
        "Usage in September 2026 codex-mini, input 1,000,000 1.50 1.50 1.50 "
        "Adjustments for August 2026 codex-mini, input 1,000,000 1.50 1.50 1.50"
    ) in text_of(invoice)


def test_a_finalized_invoice_prints_its_own_copies(use: Meter, key: APIKey, acme: Workspace, settings: Any) -> None:
    use(key, "09-14T10:00")
    (invoice,) = finalized()
    before = render_invoice(invoice)
    Workspace.objects.filter(pk=acme.pk).update(name="Acme Holding", email="new@acme.example")
    settings.SELLER_NAME = "Omixa Two"
    make_price("codex-mini-2")
    again = Invoice.objects.get(pk=invoice.pk)
    assert render_invoice(again) == before
    assert "Acme Holding" not in before


def test_a_draft_says_so_and_prints_todays_names(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00")
    closed()
    Workspace.objects.filter(pk=acme.pk).update(name="Acme Holding")
    printed = text_of(Invoice.objects.get())
    assert "Draft invoice" in printed
    assert "It has no number yet and may still change." in printed
    assert "Acme Holding" in printed


def test_a_paid_invoice_prints_what_its_pdf_says(use: Meter, key: APIKey) -> None:
    """One number, one document: what was paid since is on the screen only, beside it."""
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    before = text_of(invoice)
    paid = mark_paid(invoice.pk, "transfer 4711", "anna", NOW)
    printed = text_of(paid)
    assert "Total 1.50 Amount due USD 1.50" in printed
    assert printed.replace(" Paid Print ", " Open Print ") == before
    assert "Amount due USD 1.50" in text_of_pdf(invoice_pdf(paid))


def test_a_void_invoice_asks_for_nothing(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    finalized()
    Invoice.objects.update(status="void")
    printed = text_of(Invoice.objects.get())
    assert "Nothing is owed on this invoice." in printed
    assert "Amount due USD 0.00" in printed


def test_an_open_invoice_says_how_to_pay_it(use: Meter, key: APIKey, settings: Any) -> None:
    settings.PAYMENT_INSTRUCTIONS = "Transfer to IBAN DE02\nwith its number."
    use(key, "09-10T00:00", usage=MILLION)
    assert "How to pay" not in text_of(closed()[0])  # a draft is not paid
    (invoice,) = finalized()
    assert "Amount due USD 1.50 How to pay Transfer to IBAN DE02 with its number." in text_of(invoice)


def test_its_state_is_said_in_the_readers_words(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    assert "Open Print Invoice OMX-2026-00001 Amount due" in text_of(invoice)
    assert '<span class="state state--open">Overdue</span>' in render_invoice(invoice, state="Overdue")


def test_a_discount_has_neither_tokens_nor_a_rate(use: Meter, key: APIKey, acme: Workspace) -> None:
    AgreedPricing.objects.create(workspace=acme, effective_from=AUGUST.start, discount_percent=10)
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    row = re.sub(r">\s+<", "><", render_invoice(invoice))
    assert '<td class="tokens"></td><td class="rate"></td><td class="exact">-0.15</td>' in row
    style = (Path(__file__).parents[3] / "static/documents/document.css").read_text()
    assert "td:empty { display: none; }" in style  # nor their units on a phone


def test_names_are_printed_as_text(use: Meter, key: APIKey, acme: Workspace) -> None:
    Workspace.objects.filter(pk=acme.pk).update(name="<script>alert(1)</script> 株式会社")
    use(key, "09-14T10:00")
    (invoice,) = finalized()
    page = render_invoice(invoice)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 株式会社" in page


def test_it_needs_no_file_but_our_own(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00")
    (invoice,) = finalized()
    page = render_invoice(invoice)
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == [
        f"/static/{name}" for name in ("documents/document.css", "website/theme.js", "documents/print.js")
    ]
    assert not re.findall(r"(?:url\(|@import|<style|<script>)", page)
