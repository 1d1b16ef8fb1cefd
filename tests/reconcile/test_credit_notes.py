"""What reconcile says of credit notes that contradict themselves, their invoices or their sequence."""

import random
from decimal import Decimal

import pytest
from django.db import transaction

from metering.errors import NothingToCredit
from metering.invoicing.credit_notes.issue import creditable, issue
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.reconcile.invoices import check_invoices, invoice_differences
from tests.kit.billing import AUGUST, OPS, SEPTEMBER, Meter, agree, credit, credited, finalized, pay, tokens
from tests.kit.factories import NOW, make_price
from tests.kit.spoiled import spoil
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
CENT = Decimal("0.01")


@pytest.fixture
def invoice(use: Meter, key: APIKey, acme: Workspace) -> Invoice:
    """100.00 and 10.00 of tax; of which 11.00 were credited, and 22.00 more after it was paid."""
    agree(acme, {"VAT": "10"})
    make_price("plain", input="1", output="0")
    use(key, "09-14T10:00", usage=tokens(input=100_000_000), model="plain")
    (invoice,) = finalized()
    credited(invoice, {"input": "10.00"})
    pay(invoice)
    credited(invoice, {"input": "20.00"})
    assert invoice_differences() == []
    return invoice


@pytest.mark.parametrize(
    ("statement", "checks"),
    [
        ("UPDATE metering_creditnoteline SET amount = 10.01 WHERE amount = 10", ["credited_lines_add_up"]),
        ("UPDATE metering_creditnote SET taxes = '[]' WHERE total = 11", ["credited_tax_is_the_sum_of_taxes"]),
        (
            "UPDATE metering_creditnote SET tax = 1.01 WHERE total = 11",
            ["credited_tax_is_the_sum_of_taxes", "credit_note_is_subtotal_and_tax"],
        ),
        ("UPDATE metering_creditnote SET given_back = 21 WHERE total = 22", ["credit_note_is_off_due_or_given_back"]),
        (
            "UPDATE metering_invoice SET credited = 12, amount_paid = 98",
            ["credited_is_what_credit_notes_took_off"],
        ),
        (
            "UPDATE metering_creditnoteline SET amount = 90.01 WHERE amount = 20",
            ["credited_lines_add_up", "no_line_is_credited_beyond_itself"],
        ),
        (
            "UPDATE metering_creditnote SET total = 100, given_back = 100 WHERE total = 22",
            ["credit_note_is_subtotal_and_tax", "no_more_credited_than_billed"],
        ),
    ],
)
def test_a_contradiction_is_named(invoice: Invoice, statement: str, checks: list[str]) -> None:
    spoil(statement)
    assert [found["check"] for found in invoice_differences()] == checks
    assert [found["check"] for found in check_invoices(SEPTEMBER).differences] == checks
    assert check_invoices(AUGUST).differences == []


def test_a_missing_number_is_named_with_its_own_sequence(invoice: Invoice) -> None:
    spoil("UPDATE metering_creditnote SET number = 'lost' WHERE number = 'OMX-CN-2026-00001'")
    assert invoice_differences() == [
        {"check": "numbers_have_no_gaps", "sequence": "OMX-CN-2026", "expected": "2", "found": "1"}
    ]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_credited_in_whatever_order_the_sums_hold(use: Meter, key: APIKey, acme: Workspace, seed: int) -> None:
    """Random notes, and a payment among them, until nothing is left: all of them together are the invoice, to the cent."""
    chance = random.Random(seed)  # noqa: S311
    agree(acme, {"VAT": "19", "City": "8.875"}, discount_percent=Decimal(chance.randint(0, 30)))
    credit(acme, "0.37", "promotional")
    credit(acme, "0.55", "goodwill")
    use(key, "09-14T10:00", usage=tokens(input=chance.randint(1, 3_000_000), output=chance.randint(100_000, 900_000)))
    (invoice,) = finalized()
    pays_after = chance.randint(0, 12)
    for turn in range(1_000):
        left = creditable(invoice)
        if not left.net:
            break
        if turn == pays_after and invoice.amount_due:
            with transaction.atomic():
                lower_amount_due(lock_invoice(invoice.pk), invoice.amount_due, "transfer", OPS, NOW)
        line, most = chance.choice(left.lines)
        amount = min(most, chance.choice([CENT, most, Decimal(chance.randint(1, 100)) / 100]))
        amounts = None if turn > 40 else {line.public_id: amount}
        try:
            with transaction.atomic():
                issue(lock_invoice(invoice.pk), amounts, "goodwill", "outside", OPS, NOW)
        except NothingToCredit:
            assert amount > left.net
        invoice.refresh_from_db()
        assert invoice.amount_due == invoice.total - invoice.credits_applied - invoice.amount_paid - invoice.credited >= 0
    notes = list(invoice.credit_notes.all())
    assert sum(note.total for note in notes) == invoice.total
    assert sum(note.off_due for note in notes) == invoice.credited
    assert (invoice.status, invoice.amount_due) == ("paid", Decimal("0.00"))
    assert invoice_differences() == []
