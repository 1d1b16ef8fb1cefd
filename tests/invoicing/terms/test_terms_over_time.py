"""Terms change, months do not: what was agreed for a month, and how it was taxed, stays with it, billed or not."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.credit_notes.issue import issue
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.lifecycle.schedule import close_months_due, due_months
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.invoicing.terms.change import save_terms
from metering.invoicing.terms.models import AgreedPricing, TaxRate
from metering.reconcile.invoices import invoice_differences
from tests.kit.billing import OCTOBER, Meter, at, finalized, lines_of, tokens
from tests.kit.corrections import correct, void
from tests.kit.factories import NOW
from workspaces.models import APIKey, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("usual_minimum")]
OPS = "ops@omixa.example"
# At 1.50 USD per million.
MILLION, HUNDRED_MILLION = tokens(input=1_000_000), tokens(input=100_000_000)
IN_NOVEMBER, IN_DECEMBER = at("11-05T00:00"), at("12-05T00:00")


def agree(workspace: Workspace, when: datetime, rates: list[TaxRate] | None = None, **terms: Any) -> None:
    save_terms(workspace, terms, rates, OPS, when)


def credit(workspace: Workspace, amount: str, **more: Any) -> CreditGrant:
    return ledger.grant(workspace, "goodwill", Decimal(amount), OPS, at("07-01T00:00"), **more)


def billed(workspace: Workspace) -> dict[str, str]:
    """Subtotals by month."""
    invoices = workspace.invoices.exclude(status="void").order_by("period_start")
    return {f"{invoice.period_start:%m}": str(invoice.subtotal) for invoice in invoices}


# --- Discounts and minimums --------------------------------------------------------------------------------------


def test_the_end_of_a_free_pilot_does_not_bill_the_pilot(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, at("09-01T00:00"), discount_percent=Decimal(100))
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    close_months_due(at("10-05T00:00"))
    agree(acme, at("10-06T00:00"), discount_percent=Decimal(0))
    use(key, "10-07T10:00", usage=MILLION)
    close_months_due(IN_NOVEMBER)
    assert billed(acme) == {"10": "1.50"}
    assert invoice_differences() == []


def test_a_new_minimum_leaves_the_ended_month_its_own(key: APIKey, acme: Workspace) -> None:
    agree(acme, at("08-01T00:00"), minimum_commitment=Decimal(100))
    close_months_due(at("09-05T00:00"))
    agree(acme, at("10-02T00:00"), minimum_commitment=Decimal(200))
    close_months_due(at("10-05T00:00"))
    close_months_due(IN_NOVEMBER)
    assert billed(acme) == {"08": "100.00", "09": "100.00", "10": "200.00"}


def test_a_discount_agreed_during_the_grace_begins_with_the_running_month(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, at("09-01T00:00"), discount_percent=Decimal(10))
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    close_months_due(at("10-02T00:00"))
    agree(acme, at("10-02T12:00"), discount_percent=Decimal(50))
    close_months_due(at("10-05T00:00"))
    assert billed(acme) == {"09": "135.00"}


def test_an_ended_month_gets_another_discount_when_it_is_named(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    close_months_due(at("10-02T00:00"))
    agree(acme, at("10-02T12:00"), discount_percent=Decimal(50), pricing_from=at("09-01T00:00"))
    close_months_due(at("10-05T00:00"))
    assert billed(acme) == {"09": "75.00"}


def test_agreeing_twice_in_a_month_is_one_agreement_and_the_same_again_none(acme: Workspace) -> None:
    agree(acme, at("10-02T00:00"), discount_percent=Decimal(5), minimum_commitment=Decimal(20))
    agree(acme, at("10-20T00:00"), discount_percent=Decimal(7))
    agree(acme, at("11-20T00:00"), discount_percent=Decimal(7))
    (agreed,) = AgreedPricing.objects.all()
    assert (f"{agreed.effective_from:%Y-%m}", agreed.discount_percent, agreed.minimum_commitment) == ("2026-10", 7, 20)


def test_a_month_that_a_void_made_a_credit_still_owes_its_minimum(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    finalized()
    agree(acme, NOW, minimum_commitment=Decimal(100))
    correct(use.gateway, void(key, "req-1"), now=at("10-20T00:00"))
    for when in (IN_NOVEMBER, IN_DECEMBER):
        close_months_due(when)
    # October: -150 + 100, carried; November: that and its own 100.
    assert billed(acme) == {"09": "150.00", "11": "50.00"}
    november = acme.invoices.get(period_start=at("11-01T00:00"))
    assert ("minimum", "October 2026: Minimum commitment of 100.00 USD", 1, "100", "100.00") in lines_of(november)
    assert invoice_differences() == []


def test_a_minimum_that_ended_makes_no_more_months_due(key: APIKey, acme: Workspace) -> None:
    agree(acme, at("08-01T00:00"), minimum_commitment=Decimal(100))
    agree(acme, at("10-01T00:00"), minimum_commitment=None)
    assert [f"{month.start:%m}" for month, _ in due_months(IN_DECEMBER)] == ["08", "09"]
    close_months_due(IN_DECEMBER)
    assert billed(acme) == {"08": "100.00", "09": "100.00"}
    assert due_months(IN_DECEMBER) == []


def test_a_month_closed_out_of_turn_bills_the_minimum_of_the_one_before(key: APIKey, acme: Workspace) -> None:
    agree(acme, at("08-01T00:00"), minimum_commitment=Decimal(100))
    finalized()
    close_months_due(NOW)
    assert billed(acme) == {"09": "200.00"}


# --- Less than the minimum of an invoice -------------------------------------------------------------------------


def test_credit_that_pays_all_but_cents_is_used(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    credit(acme, "149.80", expires_at=at("10-01T00:00"))
    close_months_due(at("10-05T00:00"))
    (invoice,) = acme.invoices.all()
    assert (invoice.status, invoice.credits_applied, invoice.amount_due) == ("open", Decimal("149.80"), Decimal("0.20"))


def test_credit_that_pays_most_of_a_minimum_loses_no_month(key: APIKey, acme: Workspace) -> None:
    agree(acme, at("09-01T00:00"), minimum_commitment=Decimal(100))
    credit(acme, "99.80")
    for month in ("10", "11", "12"):
        close_months_due(at(f"{month}-05T00:00"))
    assert billed(acme) == {"09": "100.00", "10": "100.00", "11": "100.00"}


# --- Taxes -------------------------------------------------------------------------------------------------------


@pytest.fixture
def moved_abroad(use: Meter, key: APIKey, acme: Workspace) -> Invoice:
    """September with 20 % tax: 150.00 and 30.00. Then under reverse charge, and September's usage is taken back."""
    agree(acme, at("09-01T00:00"), [TaxRate.objects.create(name="VAT", percent=Decimal(20))])
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    finalized()
    agree(acme, at("10-16T00:00"), [], tax_treatment="reverse_charge")
    correct(use.gateway, void(key, "req-1"), now=at("10-20T00:00"))
    use(key, "10-21T10:00", usage=tokens(input=200_000_000), now=at("10-22T00:00"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    return october


def test_what_is_taken_back_takes_its_tax_along(moved_abroad: Invoice) -> None:
    assert moved_abroad.taxes == [{"name": "VAT", "percent": "20", "taxable": "-150.00", "amount": "-30.00"}]
    assert (moved_abroad.subtotal, moved_abroad.tax, moved_abroad.total) == (
        Decimal("150.00"),
        Decimal("-30.00"),
        Decimal("120.00"),
    )
    assert sum(invoice.total for invoice in Invoice.objects.all()) == Decimal("300.00")
    assert invoice_differences() == []


def noted(invoice: Invoice, amount: str | None) -> CreditNote:
    line = invoice.lines.get(kind="usage")
    amounts = None if amount is None else {line.public_id: Decimal(amount)}
    return issue(lock_invoice(invoice.pk), amounts, "an outage", "", OPS, IN_NOVEMBER)


def test_a_line_is_credited_with_its_own_tax_and_the_last_note_takes_the_rest(moved_abroad: Invoice) -> None:
    part = noted(moved_abroad, "100.00")  # of October, without tax
    assert (part.subtotal, part.tax, part.total) == (Decimal("100.00"), Decimal("0.00"), Decimal("100.00"))
    rest = noted(moved_abroad, None)
    assert (rest.subtotal, rest.tax, rest.total) == (Decimal("50.00"), Decimal("-30.00"), Decimal("20.00"))
    moved_abroad.refresh_from_db()
    assert (moved_abroad.credited, moved_abroad.status) == (Decimal("120.00"), "paid")
    assert invoice_differences() == []


def test_two_months_of_two_rates_are_taxed_each_by_its_own(use: Meter, key: APIKey, acme: Workspace) -> None:
    nineteen, ten = (TaxRate.objects.create(name="VAT", percent=Decimal(percent)) for percent in (19, 10))
    agree(acme, at("09-01T00:00"), [nineteen])
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    finalized()
    agree(acme, at("10-01T00:00"), [ten])
    use(key, "09-20T10:00", "10-02T10:00", usage=HUNDRED_MILLION)
    ledger.grant(acme, "promotional", Decimal("30.00"), OPS, at("09-30T23:59"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    # The promotional credit lowers both halves alike.
    assert october.taxes == [
        {"name": "VAT", "percent": "10", "taxable": "135.00", "amount": "13.50"},
        {"name": "VAT", "percent": "19", "taxable": "135.00", "amount": "25.65"},
    ]
    assert october.total == Decimal("309.15")
    assert invoice_differences() == []
