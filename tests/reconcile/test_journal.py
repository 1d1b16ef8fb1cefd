"""A journal that was touched, or that a document is missing from, is found, and what is wrong is named."""

from typing import Any

import pytest

from metering.credits.models import CreditEntry
from metering.invoicing.models import Invoice
from metering.journal.models import JournalEntry
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Payment
from metering.reconcile.everything import everything
from metering.reconcile.journal import journal_differences
from tests.kit.billing import OPS, credit
from tests.kit.factories import NOW
from tests.kit.spoiled import spoil
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(acme: Workspace, invoice: Invoice) -> Invoice:
    """150.00, by bank transfer."""
    mark_paid(invoice.pk, "transfer 17", OPS, NOW)
    credit(acme, "20.00")
    assert everything()["differences"] == []
    return invoice


def found() -> list[tuple[Any, ...]]:
    """Each difference without the name of its check's own fields."""
    return [tuple(each.values()) for each in journal_differences()]


def test_a_balance_that_was_touched_is_found(acme: Workspace, paid: Invoice) -> None:
    spoil("UPDATE metering_journalbalance SET balance = 1 WHERE account = 'money_bank' AND part <> ''")
    payment = Payment.objects.get().public_id
    assert found() == [
        ("balances_are_what_was_posted", acme.public_id, "money_bank", payment, "150.00 USD", "0.01 USD"),
    ]


def test_a_balance_that_is_missing_is_found(acme: Workspace, paid: Invoice) -> None:
    spoil("DELETE FROM metering_journalbalance WHERE account = 'revenue_usage'")
    assert found() == [("balances_are_what_was_posted", acme.public_id, "revenue_usage", "", "-150.00 USD", "0.00 USD")]


@pytest.mark.parametrize(
    ("kind", "amount"), [("invoice_finalized", "150.00"), ("payment_received", "150.00"), ("credit_granted", "-20.00")]
)
def test_an_entry_that_is_missing_is_found(paid: Invoice, kind: str, amount: str) -> None:
    entry = JournalEntry.objects.get(kind=kind)
    spoil(f"DELETE FROM metering_journalposting WHERE entry_id = {entry.pk}")
    spoil(f"DELETE FROM metering_journalentry WHERE id = {entry.pk}")
    documents = [each for each in found() if each[0] == "documents_are_in_the_journal"]
    assert documents == [("documents_are_in_the_journal", entry.document, kind, amount, "no entry")]
    assert "balances_are_what_was_posted" in {each[0] for each in found()}


def test_an_entry_of_another_amount_is_found(paid: Invoice) -> None:
    entry = JournalEntry.objects.get(kind="payment_received")
    spoil(f"UPDATE metering_journalposting SET amount = amount / 2 WHERE entry_id = {entry.pk}")
    documents = [each for each in found() if each[0] == "documents_are_in_the_journal"]
    assert documents == [("documents_are_in_the_journal", entry.document, "payment_received", "150.00", "75.00")]


def test_an_entry_without_its_document_is_found(paid: Invoice) -> None:
    entry = CreditEntry.objects.get()
    spoil(f"DELETE FROM metering_creditentry WHERE id = {entry.pk}")
    assert found() == [
        ("documents_are_in_the_journal", entry.public_id, "credit_granted", "no entry", "an entry"),
        ("accounts_are_what_documents_leave", "credit_goodwill", entry.grant.public_id, "0.00", "-20.00"),
    ]


def test_an_entry_that_does_not_add_up_is_found(paid: Invoice) -> None:
    entry = JournalEntry.objects.get(kind="credit_granted")
    spoil(f"UPDATE metering_journalposting SET amount = amount + 1 WHERE entry_id = {entry.pk} AND amount > 0")
    spoil("UPDATE metering_journalbalance SET balance = balance + 1 WHERE account = 'goodwill_given'")
    assert found() == [("entries_add_up_to_nothing", entry.public_id, entry.key, "0", "0.01 USD")]


def test_an_invoice_that_is_due_for_something_else_is_found(acme: Workspace, invoice: Invoice) -> None:
    spoil("UPDATE metering_invoice SET amount_due = 100")
    assert ("accounts_are_what_documents_leave", "receivable", invoice.public_id, "100.00", "150.00") in found()


def test_more_that_goes_out_for_a_payment_than_came_is_found(paid: Invoice) -> None:
    payment = Payment.objects.get()
    spoil("UPDATE metering_journalposting SET amount = -amount WHERE account = 'money_bank'")
    spoil("UPDATE metering_journalbalance SET balance = -balance WHERE account = 'money_bank'")
    assert ("no_more_goes_out_than_came_in", payment.public_id, "at least 0", "-150.00 USD") in found()
