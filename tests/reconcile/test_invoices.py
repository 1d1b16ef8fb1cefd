"""The check agrees with what is right, names what is wrong, and tells unbilled from wrong."""

from decimal import Decimal
from typing import Any

import pytest

from metering.invoicing.models import Invoice
from metering.invoicing.numbering import InvoiceSequence
from metering.reconcile.invoices import check_invoices, invoice_differences
from metering.rollups.models import DailyRollup
from tests.kit.billing import AUGUST, JULY, SEPTEMBER, Meter, finalized, tokens
from tests.kit.factories import make_key, make_price, make_workspace
from tests.kit.spoiled import bill_again, spoil
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)


def test_what_is_billed_and_what_is_not_yet_add_up(use: Meter, key: APIKey) -> None:
    use(make_key(make_workspace("Sandbox", sandbox=True), kind="test"), "09-10T00:00", usage=MILLION)
    use(key, "08-10T00:00", "09-10T00:00")
    finalized(AUGUST)
    finalized(SEPTEMBER)
    use(key, "09-11T00:00", "10-10T00:00")
    assert invoice_differences() == []
    assert check_invoices().invoiced == {
        "invoices": 2,
        "usage": "0.010596000000",
        "billed": "0.005298000000",
        "not_yet_billed": "0.005298000000",
    }
    assert check_invoices(SEPTEMBER).invoiced == {
        "invoices": 1,
        "usage": "0.005298000000",
        "billed": "0.002649000000",
        "not_yet_billed": "0.002649000000",
    }


def test_nothing_to_check_is_no_difference() -> None:
    assert (check_invoices().differences, check_invoices().invoiced["invoices"], check_invoices().invoiced["usage"]) == (
        [],
        0,
        "0.000000000000",
    )


def test_the_largest_amounts_are_compared_to_their_last_digit(use: Meter, key: APIKey, settings: Any) -> None:
    """101,000,001 x 999,999.999999 per million is 101,000,000.999898999999: more digits than a division keeps."""
    make_price("dear", input="999999.999999", output="0")
    use(key, "08-10T00:00", model="dear", usage=tokens(input=101_000_001))
    settings.INVOICE_SAFETY_CEILING = Decimal("1e9")
    (invoice,) = finalized(AUGUST)
    assert (invoice.status, invoice.subtotal_exact) == ("open", Decimal("101000000.999898999999"))
    assert invoice_differences() == []


@pytest.mark.parametrize(
    ("statement", "checks"),
    [
        ("UPDATE metering_invoice SET subtotal_exact = 1.6", ["exact_lines_add_up", "subtotal_is_rounded_once"]),
        (
            "UPDATE metering_invoice SET subtotal = 1.51, total = 1.51, amount_due = 1.51",
            ["subtotal_is_rounded_once", "displayed_lines_add_up"],
        ),
        ("UPDATE metering_invoice SET total = 2, amount_due = 2", ["total_is_subtotal_and_tax"]),
        ("UPDATE metering_invoice SET amount_due = 2", ["due_is_total_less_settled"]),
        ("UPDATE metering_invoiceline SET amount = 1.49", ["displayed_lines_add_up", "lines_are_quantity_times_rate"]),
        (
            "UPDATE metering_invoiceline SET quantity = 1000001",
            ["lines_are_quantity_times_rate", "billed_tokens_were_used"],
        ),
        ("DELETE FROM metering_invoiceline", ["exact_lines_add_up", "displayed_lines_add_up"]),
        ("UPDATE metering_dailyrollup SET cost = 2", ["rollup_cost_is_tokens_times_rates"]),
        ("UPDATE metering_invoicesequence SET last = 2", ["numbers_have_no_gaps"]),
    ],
)
def test_what_contradicts_itself_is_named(use: Meter, key: APIKey, statement: str, checks: list[str]) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    spoil(statement)
    found = invoice_differences()
    assert [each["check"] for each in found] == checks
    assert {each["invoice_id"] for each in found if "invoice_id" in each} <= {invoice.public_id}
    if "sequence" not in found[0]:
        assert invoice_differences(AUGUST) == []


def test_a_difference_says_what_was_expected_and_what_was_found(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    spoil("UPDATE metering_invoice SET amount_due = 2")
    assert invoice_differences(SEPTEMBER) == [
        {
            "check": "due_is_total_less_settled",
            "invoice_id": invoice.public_id,
            "number": "OMX-2026-00001",
            "expected": "1.50",
            "found": "2.00",
        }
    ]


def test_tokens_billed_twice_are_named_though_each_invoice_agrees_with_itself(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "08-10T00:00", "08-11T00:00", usage=MILLION)
    use(key, "09-10T00:00", "09-11T00:00", usage=tokens(input=3_000_000, cached=1_000_000, output=500))
    finalized(AUGUST)
    (september,) = finalized()
    use(make_key(make_workspace("Rival")), "09-10T00:00", usage=MILLION)
    assert invoice_differences() == []
    bill_again(september.lines.get(component="cached_input"), to=JULY)
    price = september.lines.get(component="cached_input").price
    twice = {
        "check": "billed_tokens_were_used",
        "workspace_id": acme.public_id,
        "month": "2026-09",
        "model": "codex-mini",
        "service_tier": "default",
        "price_id": price,
        "component": "cached_input",
        "expected": "at most 2000000",
        "found": "4000000",
    }
    assert invoice_differences() == invoice_differences(SEPTEMBER) == [twice]
    assert invoice_differences(AUGUST) == []
    Invoice.objects.filter(period_start=JULY.start).update(status="void")
    assert invoice_differences() == []


def test_tokens_billed_of_what_was_never_used_are_named(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    finalized()
    spoil("DELETE FROM metering_dailyrollup")
    assert [(each["check"], each["expected"], each["found"]) for each in invoice_differences()] == [
        ("billed_tokens_were_used", "at most 0", "1000000")
    ]


def test_a_paid_invoice_has_nothing_due(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    type(invoice).objects.update(status="paid", amount_paid=invoice.amount_due, amount_due=Decimal(0))
    assert invoice_differences() == []
    assert (InvoiceSequence.objects.get().last, DailyRollup.objects.count()) == (1, 1)


@pytest.mark.parametrize(("first", "second"), [("A_X", "ABX"), ("A%", "ABC"), ("A", "A-2026"), ("OMX", "OMX-CN")])
def test_each_sequence_counts_its_own_numbers(use: Meter, key: APIKey, settings: Any, first: str, second: str) -> None:
    """Whatever the prefix is or was: one that is a pattern or the beginning of another does not take in its numbers."""
    use(key, "07-10T00:00", "08-10T00:00", "09-10T00:00", usage=MILLION)
    for prefix, period in ((first, JULY), (second, AUGUST), (second, SEPTEMBER)):
        settings.INVOICE_NUMBER_PREFIX = prefix
        finalized(period)
    assert invoice_differences() == []
    spoil("UPDATE metering_invoicesequence SET last = last + 1")
    assert {(each["sequence"], each["expected"], each["found"]) for each in invoice_differences()} == {
        (f"{first}-2026", "2", "1"),
        (f"{second}-2026", "3", "2"),
    }


def test_the_largest_counts_and_rates_are_compared_to_the_last_digit(use: Meter, key: APIKey, settings: Any) -> None:
    """Where a division would be cut to sixteen digits: 101,000,001 x 999,999.999999 per million."""
    make_price("dear", input="999999.999999", cached_input=None)
    use(key, "09-10T00:00", model="dear", usage=tokens(input=101_000_001))
    settings.INVOICE_SAFETY_CEILING = Decimal("1e9")
    (invoice,) = finalized()
    assert (invoice.status, invoice.subtotal_exact) == ("open", Decimal("101000000.999898999999"))
    assert invoice_differences() == []
