"""What documents call a tax: its percentage is printed once, whatever the operator wrote into its name."""

from io import BytesIO

import pytest
from pypdf import PdfReader

from metering.invoicing.composing.taxes import tax_label
from metering.invoicing.documents.credit_note import render_credit_note
from metering.invoicing.documents.invoice import render_invoice
from metering.invoicing.documents.pdf import credit_note_pdf, invoice_pdf
from tests.kit.billing import Meter, agree, credited, finalized, tokens
from workspaces.models import APIKey, Workspace


@pytest.mark.parametrize(
    ("name", "percent", "label"),
    [
        ("VAT Germany", "19.000", "VAT Germany 19 %"),
        ("VAT Germany 19 %", "19.000", "VAT Germany 19 %"),
        ("VAT Germany 19%", "19", "VAT Germany 19%"),
        ("19 % VAT", "19", "19 % VAT"),
        ("TVA 5,5 %", "5.500", "TVA 5,5 %"),
        ("VAT 119 %", "19", "VAT 119 % 19 %"),
        ("VAT 7 %", "19", "VAT 7 % 19 %"),
        ("Zone 19", "19", "Zone 19 19 %"),
        ("GST", "0", "GST 0 %"),
    ],
)
def test_the_percentage_is_said_once(name: str, percent: str, label: str) -> None:
    assert tax_label(name, percent) == label


def printed(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages)


@pytest.mark.django_db
def test_no_paper_says_the_percentage_of_a_rate_twice(use: Meter, key: APIKey, acme: Workspace) -> None:
    """The form refuses such a name; a rate may be in the database all the same."""
    agree(acme, {"VAT Germany 19 %": "19"})
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    (invoice,) = finalized()
    note = credited(invoice)
    papers = [
        render_invoice(invoice),
        render_credit_note(note),
        printed(invoice_pdf(invoice)),
        printed(credit_note_pdf(note)),
    ]
    assert [paper.count("VAT Germany 19 %") for paper in papers] == [1, 1, 1, 1]
    assert [paper.count("19 %") for paper in papers] == [1, 1, 1, 1]
