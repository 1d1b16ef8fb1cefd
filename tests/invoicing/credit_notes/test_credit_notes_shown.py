"""What customers see of credit notes: the endpoints and the page that prints."""

import re

import pytest
from rest_framework.test import APIClient

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.documents.credit_note import render_credit_note
from metering.invoicing.models import Invoice
from tests.kit.billing import Meter, agree, credited, finalized, pay, tokens
from tests.kit.days import fixed_day
from tests.kit.factories import make_workspace
from tests.kit.tenants import client_of
from workspaces.models import APIKey, Workspace

__all__ = ["fixed_day"]

pytestmark = pytest.mark.django_db
URL = "/api/v1/credit-notes"


@pytest.fixture
def invoice(use: Meter, key: APIKey, acme: Workspace) -> Invoice:
    """150.00 and 28.50 of tax."""
    agree(acme, {"VAT": "19"}, address="1 Main Street")
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    (invoice,) = finalized()
    return invoice


def text_of(note: CreditNote) -> str:
    body = re.sub(r"<(style|script)>.*?</\1>", "", render_credit_note(note), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_a_credit_note_shows_every_field(invoice: Invoice, acme: Workspace, admin: APIClient) -> None:
    note = credited(invoice, {"input": "10.00"}, reason="an outage")
    shown = admin.get(f"{URL}/{note.public_id}").json()
    assert shown == {
        "object": "credit_note",
        "id": note.public_id,
        "number": "OMX-CN-2026-00001",
        "invoice_id": invoice.public_id,
        "invoice_number": "OMX-2026-00001",
        "reason": "an outage",
        "reference": None,
        "seller": {"name": "Omixa Cloud", "address": "", "tax_id": ""},
        "buyer": {
            "name": "Acme",
            "email": "bills@acme.example",
            "address": "1 Main Street",
            "tax_id": "",
            "workspace_id": acme.public_id,
        },
        "lines": [
            {
                "invoice_line_id": invoice.lines.get().public_id,
                "description": "codex-mini, input",
                "amount": "10.00",
            }
        ],
        "subtotal": "10.00",
        "taxes": [{"name": "VAT", "percent": "19", "taxable": "10.00", "amount": "1.90"}],
        "tax": "1.90",
        "total": "11.90",
        "off_due": "11.90",
        "given_back": "0.00",
        "settlement": None,
        "currency": "USD",
        "issued_at": "2026-10-15T12:00:00Z",
    }
    of_invoice = admin.get(f"/api/v1/invoices/{invoice.public_id}").json()
    assert (of_invoice["credit_notes"], of_invoice["credited"], of_invoice["amount_due"]) == (
        [note.public_id],
        "11.90",
        "166.60",
    )


def test_they_are_listed_newest_first_by_page_and_by_invoice(invoice: Invoice, admin: APIClient) -> None:
    notes = [credited(invoice, {"input": "1.00"}).public_id for _ in range(3)]
    first = admin.get(URL, {"limit": 2}).json()
    assert [note["id"] for note in first["data"]] == [notes[2], notes[1]]
    rest = admin.get(URL, {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert ([note["id"] for note in rest["data"]], rest["next_cursor"]) == ([notes[0]], None)
    assert len(admin.get(URL, {"invoice_id": invoice.public_id}).json()["data"]) == 3
    assert admin.get(URL, {"invoice_id": "inv_none"}).json()["data"] == []
    for cursor in ("nonsense", "WzFd", first["next_cursor"] + "A"):
        assert admin.get(URL, {"cursor": cursor}).status_code == 400


def test_a_strangers_credit_note_is_not_found(invoice: Invoice, acme: Workspace) -> None:
    note = credited(invoice)
    stranger = client_of(make_workspace("Rival"))
    assert stranger.get(f"{URL}/{note.public_id}").status_code == 404
    assert stranger.get(URL).json()["data"] == []
    assert stranger.get(URL, {"invoice_id": invoice.public_id}).json()["data"] == []
    assert client_of(acme, "live").get(URL).status_code == 403


def test_it_prints_what_it_credits_and_of_which_invoice(invoice: Invoice) -> None:
    pay(invoice)
    printed = text_of(credited(invoice, reason="an outage <b>of ours</b>"))
    assert "Credit note OMX-CN-2026-00001 Total credited USD 178.50" in printed
    assert "an outage &lt;b&gt;of ours" in printed
    assert "For invoice OMX-2026-00001 Invoice issued 2026-10-15 Billing period 2026-09-01 to 2026-09-30" in printed
    assert "codex-mini, input 150.00" in printed
    assert "Subtotal 150.00 VAT 19 % 28.50 Total credited USD 178.50 Goes back outside this product 178.50" in printed
    assert "1 Main Street" in printed
