"""The check agrees with what is right, names what is wrong, and tells unbilled from wrong."""

from decimal import Decimal

import pytest
from django.db import connection

from metering.invoicing.models import InvoiceSequence
from metering.invoicing.reconcile import check, differences
from metering.rollups.models import DailyRollup
from tests.factories import make_key, make_workspace
from tests.invoicing.conftest import AUGUST, SEPTEMBER, Meter, finalized, tokens
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)


def spoil(statement: str) -> None:
    """Behind the triggers' back, as only a superuser can."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = DEFAULT")


def test_what_is_billed_and_what_is_not_yet_add_up(use: Meter, key: APIKey) -> None:
    use(make_key(make_workspace("Sandbox", sandbox=True), kind="test"), "09-10T00:00", usage=MILLION)
    use(key, "08-10T00:00", "09-10T00:00")
    finalized(AUGUST)
    finalized(SEPTEMBER)
    use(key, "09-11T00:00", "10-10T00:00")
    assert differences() == []
    assert check().invoiced == {
        "invoices": 2,
        "usage": "0.010596000000",
        "billed": "0.005298000000",
        "not_yet_billed": "0.005298000000",
    }
    assert check(SEPTEMBER).invoiced == {
        "invoices": 1,
        "usage": "0.005298000000",
        "billed": "0.002649000000",
        "not_yet_billed": "0.002649000000",
    }


def test_nothing_to_check_is_no_difference() -> None:
    assert (check().differences, check().invoiced["invoices"], check().invoiced["usage"]) == ([], 0, "0.000000000000")


@pytest.mark.parametrize(
    ("statement", "checks"),
    [
        ("UPDATE metering_invoice SET subtotal_exact = 1.6", ["exact_lines_add_up", "subtotal_is_rounded_once"]),
        (
            "UPDATE metering_invoice SET subtotal = 1.51, total = 1.51, amount_due = 1.51",
            ["subtotal_is_rounded_once", "displayed_lines_add_up"],
        ),
        ("UPDATE metering_invoice SET total = 2, amount_due = 2", ["total_is_subtotal_and_tax"]),
        ("UPDATE metering_invoice SET amount_due = 2", ["due_is_total_less_credits"]),
        ("UPDATE metering_invoiceline SET amount = 1.49", ["displayed_lines_add_up", "lines_are_quantity_times_rate"]),
        ("UPDATE metering_invoiceline SET quantity = 1000001", ["lines_are_quantity_times_rate"]),
        ("DELETE FROM metering_invoiceline", ["exact_lines_add_up", "displayed_lines_add_up"]),
        ("UPDATE metering_dailyrollup SET cost = 2", ["rollup_cost_is_tokens_times_rates"]),
        ("UPDATE metering_invoicesequence SET last = 2", ["numbers_have_no_gaps"]),
    ],
)
def test_what_contradicts_itself_is_named(use: Meter, key: APIKey, statement: str, checks: list[str]) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    spoil(statement)
    found = differences()
    assert [each["check"] for each in found] == checks
    assert {each["invoice_id"] for each in found if "invoice_id" in each} <= {invoice.public_id}
    if "sequence" not in found[0]:
        assert differences(AUGUST) == []


def test_a_difference_says_what_was_expected_and_what_was_found(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    spoil("UPDATE metering_invoice SET amount_due = 2")
    assert differences(SEPTEMBER) == [
        {
            "check": "due_is_total_less_credits",
            "invoice_id": invoice.public_id,
            "number": "OMX-2026-00001",
            "expected": "1.50",
            "found": "2.00",
        }
    ]


def test_a_paid_invoice_has_nothing_due(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    type(invoice).objects.update(status="paid", amount_due=Decimal(0))
    assert differences() == []
    assert (InvoiceSequence.objects.get().last, DailyRollup.objects.count()) == (1, 1)
