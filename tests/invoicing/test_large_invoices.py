"""Invoices of thousands of lines: lists are without them, papers sum them up, and each can be had, page by page."""

from decimal import Decimal
from io import BytesIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pypdf import PdfReader
from rest_framework.test import APIClient

from metering.invoicing.allowed import Act, allowed_acts
from metering.invoicing.documents.annex import annex_pdf
from metering.invoicing.documents.invoice import invoice_context, render_invoice
from metering.invoicing.documents.issued import issued_credit_note, issued_invoice
from metering.invoicing.models import Invoice
from metering.notifications.models import Notification
from tests.kit.billing import AUGUST, Meter, credited, finalized
from tests.kit.days import fixed_day
from tests.kit.factories import make_workspace
from tests.kit.large import large_invoice
from tests.kit.tenants import client_of
from workspaces.models import APIKey, Membership, User, Workspace

__all__ = ["fixed_day"]

pytestmark = pytest.mark.django_db
MANY = 2_000
URL = "/api/v1/invoices"


@pytest.fixture
def invoice(acme: Workspace) -> Invoice:
    return large_invoice(acme)


@pytest.fixture
def owner(acme: Workspace) -> Client:
    user = User.objects.create_user("owner@acme.example", "a long enough password")
    Membership.objects.create(workspace=acme, user=user, role="owner")
    browser = Client()
    browser.force_login(user)
    return browser


def pages_of_pdf(pdf: bytes) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages]


def test_a_list_of_large_invoices_is_small_and_reads_none_of_their_lines(acme: Workspace, admin: APIClient) -> None:
    large_invoice(acme, AUGUST)
    large_invoice(acme, lines=10_000)
    with CaptureQueriesContext(connection) as asked:
        answer = admin.get(URL)
    shown = answer.json()["data"]
    assert [(each["line_count"], each["subtotal"], "lines" in each) for each in shown] == [
        (10_000, "100010.00", False),
        (2_000, "4002.00", False),
    ]
    assert len(answer.content) < 2_000
    assert not [each["sql"] for each in asked if '"metering_invoiceline"."description"' in each["sql"]]


def test_one_invoice_has_all_its_lines(invoice: Invoice, admin: APIClient) -> None:
    shown = admin.get(f"{URL}/{invoice.public_id}").json()
    assert (shown["line_count"], len(shown["lines"]), shown["subtotal"]) == (MANY, MANY, "4002.00")
    assert sum(Decimal(line["amount"]) for line in shown["lines"]) == Decimal("4002.00")
    assert sum(Decimal(line["amount_exact"]) for line in shown["lines"]) == Decimal(shown["subtotal_exact"])


def test_lines_come_by_page_in_the_invoice_s_order_and_add_up_to_it(invoice: Invoice, admin: APIClient) -> None:
    lines, cursor = [], {}
    while True:
        page = admin.get(f"{URL}/{invoice.public_id}/lines", {"limit": 1_000, **cursor}).json()
        assert len(page["data"]) == 1_000
        lines += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert lines == admin.get(f"{URL}/{invoice.public_id}").json()["lines"]
    assert [lines[0]["quantity"], lines[-1]["quantity"]] == [1_000, 2_000_000]
    assert len(admin.get(f"{URL}/{invoice.public_id}/lines").json()["data"]) == 100


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "cursor=x", "format=xml", "page=2"])
def test_a_wrong_parameter_of_lines_is_refused(invoice: Invoice, admin: APIClient, query: str) -> None:
    answer = admin.get(f"{URL}/{invoice.public_id}/lines?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


def test_lines_and_annex_of_a_stranger_s_invoice_are_not_found(invoice: Invoice) -> None:
    rival = client_of(make_workspace("Rival"))
    for path in ("lines", "lines/pdf"):
        assert rival.get(f"{URL}/{invoice.public_id}/{path}").status_code == 404


def test_all_lines_come_as_csv(invoice: Invoice, admin: APIClient) -> None:
    answer = admin.get(f"{URL}/{invoice.public_id}/lines", {"format": "csv"})
    rows = answer.getvalue().decode().splitlines()
    assert answer["Content-Disposition"] == 'attachment; filename="OMX-2026-00001-lines.csv"'
    assert rows[0].startswith("id,kind,description,model,service_tier,component,quantity,rate_per_million,amount_exact,amount")
    assert len(rows) == 1 + MANY
    assert ",2000,2.000000,0.004000000000,0.00,2026-09-01T00:00:00Z," in rows[2]


def test_the_paper_of_a_large_invoice_sums_its_lines_up_by_model_and_component(invoice: Invoice) -> None:
    sections = invoice_context(invoice)["sections"]
    assert [(section.title, len(section.rows)) for section in sections] == [("Usage in September 2026", 25 * 4)]
    first, second = sections[0].rows[:2]
    # Lines 1, 5, 9 ... 77 of the first model: 20 of them, 780 thousand tokens at 2 USD a million.
    assert (first.description, first.quantity, first.rate) == ("model-0000, input (20 lines)", "780,000", "2.00")
    assert (first.exact, second.description, second.exact) == ("1.56", "model-0000, cached input (20 lines)", "1.60")
    assert sum(Decimal(row.amount.replace(",", "")) for row in sections[0].rows) == Decimal("4002.00")
    pdf = issued_invoice(invoice)
    text = pages_of_pdf(pdf)
    assert "This invoice has 2,000 lines, summed up here. Its annex lists each of them." in text[0]
    assert "USD 4,002.00" in text[0]
    assert (len(text) < 8, len(pdf) < 300_000) == (True, True)
    assert "model-0024, output (20 lines)" in render_invoice(invoice)


@pytest.mark.parametrize(
    ("of_a_model", "rows", "first"),
    [
        (8, 250, "model-0000, all tokens (8 lines)"),
        (4, 4, "all models, input (500 lines)"),
    ],
)
def test_what_has_very_many_models_is_summed_up_more_coarsely(acme: Workspace, of_a_model: int, rows: int, first: str) -> None:
    (section,) = invoice_context(large_invoice(acme, of_a_model=of_a_model))["sections"]
    assert (len(section.rows), section.rows[0].description) == (rows, first)
    assert sum(Decimal(row.amount.replace(",", "")) for row in section.rows) == Decimal("4002.00")


def test_an_invoice_of_three_hundred_lines_prints_each(acme: Workspace) -> None:
    whole, more = large_invoice(acme, AUGUST, lines=299), large_invoice(acme, lines=304)
    assert [len(invoice_context(each)["sections"][0].rows) for each in (whole, more)] == [299, 16]
    assert (invoice_context(whole)["notes"], len(invoice_context(more)["notes"])) == ([], 1)


def test_the_annex_lists_every_line_in_parts_of_a_thousand(invoice: Invoice, admin: APIClient) -> None:
    last = admin.get(f"{URL}/{invoice.public_id}/lines/pdf", {"part": 2})
    text = " ".join(pages_of_pdf(last.content))
    assert (last.status_code, last["Content-Type"]) == (200, "application/pdf")
    assert "Annex to invoice OMX-2026-00001" in text
    assert "lines 1,001 to 2,000 of 2,000." in text
    assert "1,001 model-0012, input, price 1000 1,001,000 2.00 2.002" in text
    assert "2,000 model-0024, output, price 1999 2,000,000 2.00 4.000 4.00" in text
    assert last.content == annex_pdf(invoice, 2)
    for part, status in ((3, 404), (0, 400)):
        assert admin.get(f"{URL}/{invoice.public_id}/lines/pdf", {"part": part}).status_code == status


def test_a_large_invoice_s_page_shows_fifty_lines_and_more_on_request(invoice: Invoice, owner: Client) -> None:
    page = owner.get(f"/invoices/{invoice.public_id}").content.decode()
    assert (page.count("model-0000"), "price 49<" in page, "price 50<" in page) == (50, True, False)
    assert "?cursor=50&amp;rows=50" in page
    more = owner.get(f"/invoices/{invoice.public_id}?cursor=50&rows=50").content.decode()
    assert ("price 49<" in more, "price 50<" in more, "price 99<" in more, "price 100<" in more) == (False, True, True, False)
    end = owner.get(f"/invoices/{invoice.public_id}?cursor=1980&rows=1980").content.decode()
    assert ("price 1999<" in end, "Load more" in end) == (True, False)
    assert "Load more" in owner.get(f"/invoices/{invoice.public_id}?cursor=x").content.decode()


def test_a_large_invoice_s_page_leads_to_its_annex(invoice: Invoice, owner: Client) -> None:
    page = owner.get(f"/invoices/{invoice.public_id}").content.decode()
    assert f'href="/invoices/{invoice.public_id}/lines.csv"' in page
    assert 'title="Lines 1,001 to 2,000">PDF 2</a>' in page
    assert "2,000 lines" in page
    part = owner.get(f"/invoices/{invoice.public_id}/annex/2")
    assert (part["Content-Type"], part.content == annex_pdf(invoice, 2)) == ("application/pdf", True)
    assert owner.get(f"/invoices/{invoice.public_id}/annex/3").status_code == 404
    assert owner.get(f"/invoices/{invoice.public_id}/lines.csv").getvalue().count(b"\r\n") == 1 + MANY


def test_notifications_of_an_invoice_and_its_credit_note_are_without_lines(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage={"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000})
    (invoice,) = finalized()
    credited(invoice)
    shown = {each.type: each.data for each in Notification.objects.all()}
    assert (shown["invoice.finalized"]["line_count"], "lines" in shown["invoice.finalized"]) == (1, False)
    assert (shown["credit_note.issued"]["total"], "lines" in shown["credit_note.issued"]) == ("1.50", False)


def test_what_may_be_done_with_an_invoice_is_known_without_its_lines(invoice: Invoice) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert Act.CREDIT in allowed_acts(invoice, timezone.now())
    assert not [each["sql"] for each in asked if "metering_invoiceline" in each["sql"]]


def test_credit_notes_are_listed_without_lines_and_their_papers_sum_up(invoice: Invoice, admin: APIClient) -> None:
    Workspace.objects.filter(pk=invoice.workspace_id).update(sandbox=True)  # no usage stands behind its lines
    note = credited(invoice, None)
    (listed,) = admin.get("/api/v1/credit-notes").json()["data"]
    assert (listed["total"], "lines" in listed) == ("4002.00", False)
    shown = admin.get(f"/api/v1/credit-notes/{note.public_id}").json()
    assert sum(Decimal(line["amount"]) for line in shown["lines"]) == Decimal("4002.00")
    text = " ".join(pages_of_pdf(issued_credit_note(note)))
    assert "model-0001, input (20 lines)" in text
    assert "USD 4,002.00" in text
