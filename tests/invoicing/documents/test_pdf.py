"""The invoice as PDF: what the page says, the same bytes every time, whatever the customer is called."""

import re
import subprocess
import sys
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.test import Client
from pypdf import PdfReader

from metering.credits import ledger
from metering.invoicing.documents.issued import issued_invoice
from metering.invoicing.documents.models import IssuedPdf
from metering.invoicing.documents.pdf import FONTS, invoice_pdf, own_font, own_fonts, typeset
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.void import void
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.terms.models import BillingTerms, TaxRate
from metering.payments.collecting.manual import mark_paid
from metering.periods import parse_month
from tests.kit.billing import Meter, at, finalized, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_workspace
from tests.kit.pages import text_of_pdf
from workspaces.keys import issue
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)


@pytest.fixture
def invoice(use: Meter, key: APIKey, acme: Workspace) -> Invoice:
    terms = BillingTerms.objects.create(workspace=acme, legal_name="Acme GmbH", address="Allee 1\nBerlin", tax_id="DE1")
    terms.tax_rates.add(TaxRate.objects.create(name="VAT", percent=Decimal(19)))
    ledger.grant(acme, "promotional", Decimal("5.00"), "ops", at("09-01T00:00"))
    ledger.grant(acme, "goodwill", Decimal("7.00"), "ops", at("09-01T00:00"))
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    return finalized()[0]


@pytest.mark.parametrize("time", range(12))  # chance decides how the threads meet
def test_first_documents_asked_for_at_once_find_the_fonts_whole(
    time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMIXA_HOME", str(tmp_path))
    together = Barrier(4)

    def act() -> Path:
        together.wait()
        return own_fonts.__wrapped__()

    assert at_once(*[act] * 4) == [tmp_path / "fonts"] * 4
    laid_out = {path.name: path.stat().st_size for path in (tmp_path / "fonts").iterdir()}
    assert laid_out == {name: len(own_font(name)) for name in FONTS}


def test_it_says_what_the_invoice_says(invoice: Invoice) -> None:
    text = text_of_pdf(invoice_pdf(invoice))
    for expected in (
        "Invoice OMX-2026-00001",
        "Acme GmbH Allee 1 Berlin",
        "Tax id DE1",
        "codex-mini, input 100,000,000 1.50 150.00 150.00",
        "Subtotal 150.00",
        "Promotional credits -5.00",
        "VAT 19 % 27.55",
        "Total 172.55",
        "Credits applied -7.00",
        "Amount due USD 165.55",
        "Page 1 of 1",
    ):
        assert expected in text, text
    assert str(invoice.amount_due) == "165.55"


def test_it_says_how_to_pay(invoice: Invoice, settings: Any) -> None:
    settings.PAYMENT_INSTRUCTIONS = "Transfer to IBAN DE02\nwith its number."
    assert "Transfer to IBAN DE02 with its number." in text_of_pdf(invoice_pdf(invoice))


def test_the_same_bytes_in_every_process(invoice: Invoice) -> None:
    made = invoice_pdf(invoice)
    assert invoice_pdf(Invoice.objects.get(pk=invoice.pk)) == made
    parts: dict[str, Any] = {
        "context": {"title": "T", "seller": {"name": "S"}, "buyer": {"name": "B"}, "facts": []},
        "notes": [],
        "headline": ("a", "b"),
        "columns": ["x", "y"],
        "sections": [],
        "totals": [],
        "last": ("c", "d"),
        "small": "",
        "mark": "",
    }
    code = (
        "import sys, django; django.setup(); from metering.invoicing.documents.pdf import typeset; "
        f"sys.stdout.buffer.write(typeset(**{parts!r}))"
    )
    ran = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)]
    assert ran == [typeset(**parts)] * 2


@pytest.mark.parametrize("name", ['#panic("x")', "*bold* _it_ $x$ @ref <l> // c", "[a](b) \\ ` = #", "Ünal & Søn <b>"])
def test_names_are_printed_as_they_are(use: Meter, key: APIKey, acme: Workspace, name: str) -> None:
    BillingTerms.objects.create(workspace=acme, legal_name=name)
    use(key, "09-14T10:00", usage=MILLION)
    assert " ".join(name.split()) in text_of_pdf(invoice_pdf(finalized()[0]))


@pytest.mark.parametrize("name", ["Ελληνικά ΑΕ", "ООО Ромашка", "Łódź Żółć"])  # noqa: RUF001
def test_names_of_other_scripts_are_there(use: Meter, key: APIKey, acme: Workspace, name: str) -> None:
    BillingTerms.objects.create(workspace=acme, legal_name=name)
    use(key, "09-14T10:00", usage=MILLION)
    assert name in text_of_pdf(invoice_pdf(finalized()[0]))


@pytest.mark.parametrize("name", ["北京科技有限公司", "株式会社サンプル", "주식회사 예시"])
def test_chinese_japanese_and_korean_names_are_drawn(use: Meter, key: APIKey, acme: Workspace, name: str) -> None:
    BillingTerms.objects.create(workspace=acme, legal_name=name)
    use(key, "09-14T10:00", usage=MILLION)
    made = invoice_pdf(finalized()[0])
    assert name in text_of_pdf(made)
    fonts = PdfReader(BytesIO(made)).pages[0]["/Resources"]["/Font"].values()  # type: ignore[index]
    assert any("NotoSansCJK" in font.get_object()["/BaseFont"] for font in fonts)  # not as empty boxes


def runs(pdf: bytes, letter: str) -> list[int]:
    """How many of the letter stand together on each line, where it is more than one."""
    text = "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    return [len(run) for run in re.findall(f"{letter}{letter}+", text)]


def test_a_word_that_no_line_is_wide_enough_for_breaks(use: Meter, key: APIKey, acme: Workspace) -> None:
    """So that it stays in its column: without breaks each of these is one line, over its neighbours and the page's edge."""
    long = {"legal_name": "W" * 200, "address": "B" * 200 + "\nBerlin", "tax_id": "D" * 40, "purchase_order": "M" * 40}
    BillingTerms.objects.create(workspace=acme, tax_treatment="exempt", tax_note="see " + "Q" * 160, **long)
    use(key, "09-14T10:00", usage=MILLION)
    pdf = invoice_pdf(finalized()[0])
    assert runs(pdf, "W") == [20] * 10
    assert runs(pdf, "B") == [27] * 7 + [11]
    assert {letter: runs(pdf, letter) for letter in "DMQ"} == {
        "D": [21, 19],
        "M": [11, 11, 11, 7],
        "Q": [73, 76, 11],
    }
    assert "\u200b" not in text_of_pdf(pdf)  # which would be copied with the text


def test_a_word_that_fits_a_line_of_its_own_stays_whole(use: Meter, key: APIKey, acme: Workspace) -> None:
    BillingTerms.objects.create(workspace=acme, legal_name="Allgemeine Versorgungswirtschaftsberatung", address="Allee 1")
    use(key, "09-14T10:00", usage=MILLION)
    assert "Allgemeine Versorgungswirtschaftsberatung Allee 1" in text_of_pdf(invoice_pdf(finalized()[0]))


def test_a_long_table_goes_over_pages_under_its_heading(use: Meter, key: APIKey, invoice: Invoice) -> None:
    use(key, "10-02T10:00", usage=MILLION)
    (draft,) = [one for one in finalized(actor="x") if one.pk != invoice.pk] or [invoice]
    line = draft.lines.get()
    rows = [InvoiceLine(**{f.attname: getattr(line, f.attname) for f in line._meta.concrete_fields}) for _ in range(200)]
    pages = PdfReader(BytesIO(invoice_pdf(Fake(draft, rows)))).pages  # type: ignore[arg-type]
    assert len(pages) > 4
    assert all("Description" in page.extract_text() for page in pages[:-1])
    assert f"Page 2 of {len(pages)}" in pages[1].extract_text()


class Fake:
    """The invoice with other lines: a finalized one's own cannot be changed."""

    def __init__(self, invoice: Invoice, lines: list[InvoiceLine]) -> None:
        self._invoice, self._lines = invoice, lines

    def __getattr__(self, name: str) -> Any:
        return self if name == "lines" else getattr(self._invoice, name)

    def all(self) -> list[InvoiceLine]:
        return self._lines


@pytest.mark.parametrize(("paper", "width"), [("a4", 595), ("us-letter", 612)])
def test_the_paper_is_a_setting(invoice: Invoice, settings: Any, paper: str, width: int) -> None:
    settings.INVOICE_PAPER = paper
    assert round(float(PdfReader(BytesIO(invoice_pdf(invoice))).pages[0].mediabox.width)) == width


def test_what_cannot_be_used_is_said(invoice: Invoice, settings: Any, tmp_path: Path) -> None:
    settings.INVOICE_PAPER = "papyrus"
    with pytest.raises(ImproperlyConfigured, match="INVOICE_PAPER is one of a4, us-letter"):
        invoice_pdf(invoice)
    settings.INVOICE_PAPER, settings.INVOICE_LOGO = "a4", str(tmp_path / "none.svg")
    with pytest.raises(ImproperlyConfigured, match="INVOICE_LOGO is not a file"):
        invoice_pdf(invoice)
    broken = tmp_path / "logo.png"
    broken.write_bytes(b"no picture")
    settings.INVOICE_LOGO = str(broken)
    with pytest.raises(ImproperlyConfigured, match="look at INVOICE_LOGO"):
        invoice_pdf(invoice)


def test_a_logo_and_a_colour_are_settings(invoice: Invoice, settings: Any, tmp_path: Path) -> None:
    plain = invoice_pdf(invoice)
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="12"><rect width="40" height="12"/></svg>')
    settings.INVOICE_LOGO, settings.INVOICE_ACCENT_COLOR = str(logo), "#aa0000"
    assert invoice_pdf(invoice) != plain


def test_it_is_downloaded_by_its_own_workspace_only(invoice: Invoice, acme: Workspace) -> None:
    def get(workspace: Workspace) -> Any:
        _, secret = issue.create_key(workspace, "admin", "Back office", "tests", NOW)
        url = f"/api/v1/invoices/{invoice.public_id}/pdf"
        return Client().get(url, headers={"authorization": f"Bearer {secret}"})

    answer = get(acme)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert answer["Content-Disposition"] == 'inline; filename="OMX-2026-00001.pdf"'
    assert answer.content == issued_invoice(invoice)
    assert get(make_workspace("Beta")).status_code == 404


# --- As it was issued --------------------------------------------------------------------------------------------


def test_what_was_issued_stays_whatever_the_settings_become(invoice: Invoice, settings: Any) -> None:
    issued = issued_invoice(invoice)
    settings.INVOICE_ACCENT_COLOR, settings.INVOICE_PAPER = "#aa0000", "us-letter"
    assert issued_invoice(Invoice.objects.get(pk=invoice.pk)) == issued != invoice_pdf(invoice)
    assert IssuedPdf.objects.count() == 1


def test_what_is_paid_since_changes_no_paper(invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 7", "ops", NOW)
    paid = issued_invoice(Invoice.objects.get(pk=invoice.pk))
    assert paid == issued_invoice(invoice)
    assert "Amount due USD 165.55" in text_of_pdf(paid)


def test_a_void_invoice_gets_another_paper_that_says_so(invoice: Invoice) -> None:
    issued = issued_invoice(invoice)
    void(invoice.pk, "wrong address", "ops", NOW)
    voided = issued_invoice(Invoice.objects.get(pk=invoice.pk))
    assert "VOID" in text_of_pdf(voided)
    assert "VOID" not in text_of_pdf(issued)
    assert [each.state for each in IssuedPdf.objects.order_by("pk")] == ["issued", "void"]


def test_a_draft_is_typeset_anew_and_not_kept(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = close_workspaces(parse_month("2026-09"), NOW)
    assert "DRAFT" in text_of_pdf(issued_invoice(draft))
    assert IssuedPdf.objects.count() == 0


def test_the_database_refuses_to_change_what_was_issued(invoice: Invoice) -> None:
    issued_invoice(invoice)
    for change in (lambda: IssuedPdf.objects.update(pdf=b""), lambda: IssuedPdf.objects.all().delete()):
        with pytest.raises(IntegrityError, match="only ever added to"), transaction.atomic():
            change()


@pytest.mark.django_db(transaction=True)
def test_downloads_at_once_give_one_document(invoice: Invoice) -> None:
    assert len(set(at_once(*[lambda: issued_invoice(Invoice.objects.get(pk=invoice.pk))] * 4))) == 1
    assert IssuedPdf.objects.count() == 1


def test_a_process_that_makes_no_document_unpacks_no_font() -> None:
    code = "import sys, omixa_billing.wsgi, metering.invoicing.documents.pdf; print('pymupdf_fonts' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "False\n"
