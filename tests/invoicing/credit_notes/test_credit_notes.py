"""Credit notes: never more than is left, exact to the cent, numbered without gaps, and never billed again."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.utils import IntegrityError

from metering.errors import InvoiceNotOpen, NothingToCredit
from metering.invoicing.credit_notes.issue import creditable, issue
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.lifecycle.void import mark_uncollectible, void
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice, InvoiceLine
from metering.reconcile.invoices import invoice_differences
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import AUGUST, OCTOBER, OPS, Meter, agree, at, closed, credit, credited, finalized, lines_of, pay, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from workspaces.models import APIKey, AuditEntry, Workspace

pytestmark = pytest.mark.django_db
# At 1.50 USD per million.
MILLION = tokens(input=1_000_000)
IN_NOVEMBER = at("11-05T00:00")


def sums(note: CreditNote) -> tuple[str, ...]:
    return tuple(str(amount) for amount in (note.subtotal, note.tax, note.total, note.off_due, note.given_back))


def lines(note: CreditNote) -> list[tuple[str, str]]:
    return [(line.description, str(line.amount)) for line in note.lines.all()]


@pytest.fixture
def invoice(use: Meter, key: APIKey, acme: Workspace) -> Invoice:
    """150.00 of input and 60.00 of output, 19 % and 1.5 % of tax: 210.00 + 39.90 + 3.15 = 253.05."""
    agree(acme, {"VAT": "19", "City": "1.5"})
    use(key, "09-14T10:00", usage=tokens(input=100_000_000, output=10_000_000))
    (invoice,) = finalized()
    assert invoice.total == Decimal("253.05")
    return invoice


# --- What a note says --------------------------------------------------------------------------------------------


def test_a_whole_credit_note_takes_back_every_cent(invoice: Invoice) -> None:
    note = credited(invoice)
    assert lines(note) == [("codex-mini, input", "150.00"), ("codex-mini, output", "60.00")]
    assert sums(note) == ("210.00", "43.05", "253.05", "253.05", "0.00")
    assert note.taxes == [
        {"name": "City", "percent": "1.5", "taxable": "210.00", "amount": "3.15"},
        {"name": "VAT", "percent": "19", "taxable": "210.00", "amount": "39.90"},
    ]
    assert (note.number, note.settlement) == ("OMX-CN-2026-00001", "")
    assert (invoice.status, invoice.amount_due, invoice.credited) == ("paid", Decimal("0.00"), Decimal("253.05"))
    assert invoice.paid_at == NOW
    assert invoice_differences() == []
    with pytest.raises(NothingToCredit, match="Nothing is left"):
        credited(invoice)


def test_a_part_of_a_line_lowers_what_is_due_with_its_tax(invoice: Invoice) -> None:
    note = credited(invoice, {"output": "0.33"})
    # 19 % of 0.33 is 0.0627, 1.5 % is 0.00495
    assert sums(note) == ("0.33", "0.06", "0.39", "0.39", "0.00")
    assert (invoice.status, invoice.amount_due) == ("open", Decimal("252.66"))
    assert invoice_differences() == []


def test_the_last_note_takes_exactly_the_rest_of_the_tax(invoice: Invoice) -> None:
    for _ in range(3):
        assert sums(credited(invoice, {"output": "0.01"}))[:3] == ("0.01", "0.00", "0.01")
    last = credited(invoice)
    assert sums(last) == ("209.97", "43.05", "253.02", "253.02", "0.00")
    assert sum(note.total for note in invoice.credit_notes.all()) == invoice.total
    assert invoice_differences() == []


def test_the_tax_of_notes_rounded_up_never_exceeds_the_invoices(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, {"VAT": "50"})
    use(key, "09-14T10:00", usage=tokens(input=40_000))  # 0.06, and 0.03 of tax
    (invoice,) = finalized()
    assert invoice.total == Decimal("0.09")
    # Half of 0.01 rounds up to 0.01 each time, until the tax is used up.
    assert [sums(credited(invoice, {"input": "0.01"}))[1] for _ in range(6)] == ["0.01", "0.01", "0.01", "0.00", "0.00", "0.00"]
    assert (invoice.status, invoice.credited) == ("paid", Decimal("0.09"))
    assert invoice_differences() == []


def test_a_discount_and_promotional_credit_lower_what_is_left(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, {"VAT": "10"}, discount_percent=Decimal("10"))
    credit(acme, "30.00", "promotional")
    use(key, "09-14T10:00", usage=tokens(input=100_000_000, output=10_000_000))
    (invoice,) = finalized()
    assert (invoice.subtotal, invoice.total) == (Decimal("189.00"), Decimal("174.90"))
    with pytest.raises(NothingToCredit, match=r"Before tax 159\.00 are left .*: not 160\.00"):
        credited(invoice, {"input": "150", "output": "10"})
    part = credited(invoice, {"input": "59.00"})
    assert sums(part) == ("59.00", "5.90", "64.90", "64.90", "0.00")
    # 100.00 are left of the net: over 91.00 and 60.00 that are left of the lines.
    whole = credited(invoice)
    assert lines(whole) == [("codex-mini, input", "60.26"), ("codex-mini, output", "39.74")]
    assert sums(whole) == ("100.00", "10.00", "110.00", "110.00", "0.00")
    assert invoice.status == "paid"
    assert invoice_differences() == []


# --- What is refused ---------------------------------------------------------------------------------------------


def test_never_more_than_is_left_of_a_line(invoice: Invoice) -> None:
    credited(invoice, {"output": "59.99"})
    with pytest.raises(NothingToCredit, match=r"0\.01 are left of the line"):
        credited(invoice, {"output": "0.02"})
    credited(invoice, {"output": "0.01"})
    with pytest.raises(NothingToCredit, match=r"0\.00 are left of the line"):
        credited(invoice, {"output": "0.01"})
    assert [(line.component, left) for line, left in creditable(invoice).lines] == [("input", Decimal("150.00"))]


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity"])
def test_an_amount_is_whole_cents_above_zero(invoice: Invoice, amount: str) -> None:
    with pytest.raises(InvalidParameter, match="whole cents above zero"):
        credited(invoice, {"output": amount})


def test_a_line_of_another_invoice_is_not_credited(invoice: Invoice) -> None:
    with pytest.raises(NothingToCredit, match="line_elsewhere"):
        issue(lock_invoice(invoice.pk), {"line_elsewhere": Decimal("1.00")}, "goodwill", "", OPS, NOW)
    with pytest.raises(InvalidParameter, match="at least one line"):
        issue(lock_invoice(invoice.pk), {}, "goodwill", "", OPS, NOW)
    with pytest.raises(InvalidParameter, match="Say why"):
        credited(invoice, reason=" ")
    assert not CreditNote.objects.exists()


def test_a_draft_and_a_void_invoice_are_not_credited(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = closed()
    with pytest.raises(InvoiceNotOpen, match="draft"):
        credited(draft)
    (invoice,) = finalized()
    void(invoice.pk, "mistake", OPS, NOW)
    with pytest.raises(InvoiceNotOpen, match="void"):
        credited(invoice)


def test_what_goes_back_wants_a_way(invoice: Invoice) -> None:
    pay(invoice)
    with pytest.raises(InvalidParameter, match=r"253\.05 go back to the customer: say how") as refused:
        credited(invoice, settlement="")
    assert refused.value.param == "settlement"
    assert not CreditNote.objects.exists()


# --- What follows ------------------------------------------------------------------------------------------------


def test_first_what_is_due_then_what_was_paid(invoice: Invoice) -> None:
    with transaction.atomic():
        lower_amount_due(lock_invoice(invoice.pk), Decimal("200.00"), "transfer 17", OPS, NOW)
    note = credited(invoice)
    assert sums(note) == ("210.00", "43.05", "253.05", "53.05", "200.00")
    assert (invoice.status, invoice.amount_due, invoice.amount_paid) == ("paid", Decimal("0.00"), Decimal("200.00"))
    assert note.settlement == "outside"
    assert invoice_differences() == []


def test_a_paid_invoice_stays_paid_and_all_goes_back(invoice: Invoice) -> None:
    pay(invoice)
    note = credited(invoice, {"output": "10.00"})
    assert sums(note) == ("10.00", "2.05", "12.05", "0.00", "12.05")
    assert (invoice.status, invoice.credited, invoice.amount_paid) == ("paid", Decimal("0.00"), Decimal("253.05"))
    assert invoice_differences() == []


def test_an_uncollectible_invoice_may_be_credited(invoice: Invoice) -> None:
    mark_uncollectible(invoice.pk, "insolvent", OPS, NOW)
    credited(invoice, {"input": "150.00"})
    assert (invoice.status, invoice.amount_due) == ("uncollectible", Decimal("72.30"))
    credited(invoice)
    assert (invoice.status, invoice.amount_due) == ("paid", Decimal("0.00"))


def test_a_credited_month_is_not_billed_again(invoice: Invoice, use: Meter, key: APIKey) -> None:
    credited(invoice)
    use(key, "10-02T00:00", usage=MILLION)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]
    assert invoice_differences() == []


def test_it_keeps_what_it_printed(invoice: Invoice, acme: Workspace) -> None:
    agree(acme, legal_name="Acme Holding")
    note = credited(invoice, reason="an outage on 3 September")
    assert (note.buyer, note.seller) == (invoice.buyer, invoice.seller)
    assert note.buyer["name"] == "Acme"
    assert (note.reason, note.issued_by, note.issued_at) == ("an outage on 3 September", OPS, NOW)
    entry = AuditEntry.objects.get(target=note.public_id)
    assert (entry.action, entry.workspace) == ("credit_note.issued", acme)
    with pytest.raises(IntegrityError, match="only ever added to"), transaction.atomic():
        CreditNote.objects.filter(pk=note.pk).update(total=Decimal("1.00"))
    with pytest.raises(IntegrityError, match="only ever added to"), transaction.atomic():
        note.lines.all().delete()


# --- Numbers -----------------------------------------------------------------------------------------------------


def test_credit_notes_and_invoices_have_sequences_of_their_own(invoice: Invoice, use: Meter, key: APIKey) -> None:
    first = credited(invoice, {"output": "1.00"})
    with transaction.atomic():
        issue(lock_invoice(invoice.pk), None, "goodwill", "", OPS, NOW)
        transaction.set_rollback(True)
    second = credited(invoice, {"output": "1.00"})
    next_year = credited(invoice, {"output": "1.00"}, now=NOW.replace(year=2027))
    use(key, "10-02T00:00", usage=MILLION)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    numbers = [first.number, second.number, next_year.number, october.number]
    assert numbers == ["OMX-CN-2026-00001", "OMX-CN-2026-00002", "OMX-CN-2027-00001", "OMX-2026-00002"]
    assert invoice_differences() == []


@pytest.mark.django_db(transaction=True)
def test_notes_at_once_never_exceed_what_is_left(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    line = InvoiceLine.objects.get(invoice=invoice).public_id

    def credit_half() -> CreditNote:
        with transaction.atomic():
            return issue(lock_invoice(invoice.pk), {line: Decimal("0.60")}, "goodwill", "", OPS, NOW)

    answers = at_once(*[credit_half] * 5)
    assert sorted(type(answer).__name__ for answer in answers) == ["CreditNote"] * 2 + ["NothingToCredit"] * 3
    invoice.refresh_from_db()
    assert invoice.amount_due == Decimal("0.30")
    assert sorted(CreditNote.objects.values_list("number", flat=True)) == ["OMX-CN-2026-00001", "OMX-CN-2026-00002"]
    assert invoice_differences() == []


@pytest.mark.django_db(transaction=True)
def test_numbers_have_no_gaps_when_many_invoices_are_credited_at_once(use: Meter, key: APIKey) -> None:
    use(key, "08-14T10:00", "09-14T10:00", "10-01T10:00", usage=MILLION)
    invoices = [*finalized(AUGUST), *finalized(), *finalized(OCTOBER, IN_NOVEMBER)]

    def credit_all(invoice: Invoice) -> CreditNote:
        with transaction.atomic():
            return issue(lock_invoice(invoice.pk), None, "goodwill", "", OPS, NOW)

    notes = at_once(*[lambda invoice=invoice: credit_all(invoice) for invoice in invoices])
    assert sorted(note.number for note in notes) == ["OMX-CN-2026-00001", "OMX-CN-2026-00002", "OMX-CN-2026-00003"]
    assert invoice_differences() == []


def test_the_longest_prefix_fits_credit_notes_too(use: Meter, key: APIKey, settings: Any) -> None:
    settings.INVOICE_NUMBER_PREFIX = "ABCDEFGHIJKLM"
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    assert (invoice.number, credited(invoice).number) == ("ABCDEFGHIJKLM-2026-00001", "ABCDEFGHIJKLM-CN-2026-00001")
    assert invoice_differences() == []
