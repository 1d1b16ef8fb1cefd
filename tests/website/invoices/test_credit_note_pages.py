"""Credit notes through the pages: named by their invoice, printed, and nobody else's."""

from collections.abc import Callable
from datetime import datetime
from io import BytesIO

import pytest
from django.db import transaction
from django.test import Client
from pypdf import PdfReader

from metering.invoicing.credit_notes.issue import issue
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.locks import lock_invoice
from metering.periods import parse_month
from tests.kit.factories import GOLDEN_USAGE, NOW
from tests.kit.pages import text_of, words_of
from tests.kit.people import browser_of, person
from tests.website.conftest import Tenant

Use = Callable[..., list[str]]
SEPTEMBER = datetime.fromisoformat("2026-09-10T08:00:00+00:00")


@pytest.fixture
def note(acme: Tenant, rival: Tenant, codex_mini: None, use: Use) -> CreditNote:
    use(acme.key, SEPTEMBER, usage=GOLDEN_USAGE | {"completion_tokens": 1_000_000, "total_tokens": 1_002_006})
    (invoice,) = close_workspaces(parse_month("2026-09"), NOW, finalize=True)
    with transaction.atomic():
        return issue(lock_invoice(invoice.pk), None, "an outage", "", "ops", NOW)


def test_the_invoice_leads_to_its_credit_note(note: CreditNote, owner: Client) -> None:
    page = owner.get(f"/invoices/{note.invoice.public_id}")
    assert f'<a class="row-link" href="/credit-notes/{note.public_id}">OMX-CN-2026-00001</a>' in text_of(page)
    assert "OMX-CN-2026-00001 an outage 15 Oct 2026 $6.00 $0.00 $6.00" in words_of(page)
    printed = owner.get(f"/credit-notes/{note.public_id}")
    assert "Credit note OMX-CN-2026-00001" in text_of(printed)
    assert "no-store" in printed["Cache-Control"]


def test_a_strangers_credit_note_is_not_found(note: CreditNote, rival: Tenant) -> None:
    stranger = browser_of(person(rival.workspace, "owner", "owner@rival.example"))
    assert stranger.get(f"/credit-notes/{note.public_id}").status_code == 404
    assert stranger.get(f"/credit-notes/{note.public_id}/pdf").status_code == 404


def test_it_is_downloaded_as_pdf(note: CreditNote, owner: Client) -> None:
    answer = owner.get(f"/credit-notes/{note.public_id}/pdf")
    assert answer["Content-Disposition"] == 'inline; filename="OMX-CN-2026-00001.pdf"'
    text = " ".join(PdfReader(BytesIO(answer.content)).pages[0].extract_text().split())
    for expected in ("Credit note OMX-CN-2026-00001", "an outage", "Total credited USD 6.00", "Subtotal 6.00"):
        assert expected in text, text
    assert owner.get(f"/credit-notes/{note.public_id}/pdf").content == answer.content
