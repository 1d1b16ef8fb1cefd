"""The journal in the console: the trial balance leads to accounts, their postings to entries; none of it can be changed."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from metering.console.money import journal
from metering.invoicing.models import Invoice
from metering.journal.models import JournalEntry, JournalPosting
from metering.payments.collecting.manual import mark_paid
from tests.kit.billing import OPS, at

TRIAL_BALANCE = reverse("admin:metering_journalentry_trial_balance")
ENTRIES = reverse("admin:metering_journalentry_changelist")
SHEET = reverse("admin:metering_journalentry_account", args=["receivable"])

pytestmark = pytest.mark.django_db


def rows(console: Client, page: str) -> list[list[str]]:
    """The cells of a page's table, as words."""
    content = console.get(page).content.decode()
    found = re.findall(r"<tr>(.*?)</tr>", content, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in found]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells if row]


@pytest.fixture
def paid(invoice: Invoice) -> Invoice:
    mark_paid(invoice.pk, "transfer 17", OPS, at("11-05T09:00"))
    return invoice


def test_the_trial_balance_has_every_account_on_its_side(console: Client, paid: Invoice) -> None:
    assert rows(console, TRIAL_BALANCE) == [
        ["Receivable", "USD", "0.00", ""],
        ["Money by bank transfer", "USD", "150.00", ""],
        ["Revenue: usage", "USD", "", "150.00"],
    ]
    assert rows(console, f"{TRIAL_BALANCE}?at=2026-10-31") == [
        ["Receivable", "USD", "150.00", ""],
        ["Revenue: usage", "USD", "", "150.00"],
    ]
    assert rows(console, f"{TRIAL_BALANCE}?at=2026-10-01") == []


def test_as_everything_stands_now_no_posting_is_read(console: Client, paid: Invoice) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert len(rows(console, TRIAL_BALANCE)) == 3
    assert [each["sql"] for each in asked.captured_queries if "metering_journalposting" in each["sql"]] == []


def test_what_is_no_day_is_said_to_be_none(console: Client, paid: Invoice) -> None:
    for asked in ("yesterday", "2026-13-40"):
        answer = console.get(f"{TRIAL_BALANCE}?at={asked}")
        assert (answer.status_code, "Enter a valid date." in answer.content.decode()) == (200, True)
    assert len(rows(console, f"{TRIAL_BALANCE}?at=yesterday")) == 3


def test_an_account_leads_to_its_postings_and_they_to_their_entry(console: Client, paid: Invoice) -> None:
    assert f'href="{SHEET}"' in console.get(TRIAL_BALANCE).content.decode()
    assert rows(console, SHEET) == [
        ["2026-11-05", "Payment received", "Acme", paid.public_id, "", "150.00", "USD"],
        ["2026-10-15", "Invoice finalized", "Acme", paid.public_id, "150.00", "", "USD"],
    ]
    posting = JournalPosting.objects.get(account="receivable", amount__gt=0)
    entry = reverse("admin:metering_journalentry_change", args=[posting.entry_id])
    assert entry in console.get(SHEET).content.decode()
    assert "150.00" in console.get(entry).content.decode()


def test_a_sheet_goes_back_page_by_page(console: Client, paid: Invoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ON_A_SHEET", 1)
    newest = JournalPosting.objects.filter(account="receivable").latest("pk")
    assert f'href="?before={newest.pk}"' in console.get(SHEET).content.decode()
    assert [row[1] for row in rows(console, f"{SHEET}?before={newest.pk}")] == ["Invoice finalized"]
    assert len(rows(console, f"{SHEET}?before=9{'9' * 30}")) == 1
    assert console.get(SHEET.replace("receivable", "nothing")).status_code == 404


def test_nobody_changes_an_entry_in_the_console(console: Client, paid: Invoice) -> None:
    entry = JournalEntry.objects.first()
    assert entry is not None
    for verb in ("change", "delete"):
        assert console.post(reverse(f"admin:metering_journalentry_{verb}", args=[entry.pk]), {"actor": "me"}).status_code == 403
    assert console.get(reverse("admin:metering_journalentry_add")).status_code == 403
    assert JournalEntry.objects.count() == 2


def test_a_customer_sees_none_of_it(customer: Client, paid: Invoice) -> None:
    for page in (TRIAL_BALANCE, ENTRIES, SHEET):
        assert customer.get(page).status_code in (302, 403)
