"""What no program should send to the operators' API: it is refused in the common shape, and does nothing."""

from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.invoicing.fees.models import AgreedFee, ManualLine
from metering.invoicing.models import Invoice
from metering.operator_api.models import OperatorRequest
from metering.payments.collecting.collect import payment_page
from metering.payments.collecting.manual import record_transfer
from metering.payments.models import Payment
from metering.payments.refunds.withdrawals import withdraw_credit
from tests.kit.billing import OPS, Meter, an_invoice, credit
from tests.kit.factories import NOW, make_workspace
from tests.kit.stripe_server import StripeServer
from tests.operator_api.cast import Program, a_key
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

AMOUNTS = [
    *("NaN", "Infinity", "-Infinity", "sNaN", "1e400", "1E+12", "0", "0.00", "-1.00", "0.001", "", " "),
    *("1_0.00", "٣.00", "+5.00"),
    *(True, None, [], {}, ["1.00"], 1e300, -0.01, "99999999999999.00", "1,00", "0x10", "1" * 5000),
]


@pytest.mark.parametrize("amount", AMOUNTS, ids=lambda each: repr(each)[:20])
def test_an_odd_amount_is_refused_everywhere(program: Program, acme: Workspace, invoice: Invoice, amount: Any) -> None:
    """Each of these acts would be possible with an amount such as 1.00."""
    other = make_workspace("Labs", email=acme.email)
    record_transfer([invoice.pk], invoice.amount_due - 20, "a wire", OPS, NOW)
    bought = credit(acme, "40.00", "purchased")
    withdraw_credit(credit(acme, "10.00", "purchased"), "by mistake", OPS, NOW)
    before = Payment.objects.count()
    acts: list[tuple[str, dict[str, Any]]] = [
        (f"invoices/{invoice.public_id}/payments", {"reference": "t 1"}),
        (f"invoices/{invoice.public_id}/credit-notes", {"reason": "x"}),
        (f"workspaces/{acme.public_id}/payouts", {"reference": "t 1"}),
        ("credit-transfers", {"from_workspace_id": acme.public_id, "to_workspace_id": other.public_id, "reference": "t 1"}),
        ("chargebacks", {"invoice": invoice.public_id, "reference": "t 1"}),
    ]
    for path, body in acts:
        answer = program.post(path, **body, amount=amount)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "amount"), (path, amount, answer.content[:300])
    assert (Payment.objects.count(), OperatorRequest.objects.count()) == (before, 0)
    assert ledger.remaining_of_grant(bought) == Decimal("40.00")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1969-12-31", "2200-01-01"])
def test_a_fee_begins_and_ends_in_years_that_invoices_know(program: Program, acme: Workspace, day: str) -> None:
    path = f"workspaces/{acme.public_id}/fees"
    assert program.post(path, name="Seats", monthly="1.00", first_day=day).status_code in (400, 422)
    later = program.post(path, name="Seats", monthly="1.00", first_day="2026-10-01", until=day)
    assert later.status_code in (400, 422)
    assert AgreedFee.objects.count() == 0


@pytest.mark.parametrize("month", ["0001-01", "9999-12", "2200-01", "1969-12", "2026-13", "2026-1", "", None, 202610])
def test_a_line_is_of_a_month_that_invoices_know(program: Program, acme: Workspace, month: Any) -> None:
    answer = program.post(f"workspaces/{acme.public_id}/lines", month=month, amount="1.00", text="x")
    assert (answer.status_code, ManualLine.objects.count()) == (400, 0)


def test_an_idempotency_key_is_its_owners(program: Program, acme: Workspace, invoice: Invoice) -> None:
    """Another program's key of the same name is another act, which the reference keeps from happening twice."""
    other = Program(a_key()[1])
    path = f"invoices/{invoice.public_id}/payments"
    first = program.post(path, "shared", amount="10.00", reference="t 1")
    again = other.post(path, "shared", amount="10.00", reference="t 1")
    assert (first.status_code, again.status_code) == (200, 400)
    assert other.post(path, "shared", amount="20.00", reference="t 2").json()["amount"] == "20.00"
    assert program.post(path, "shared", amount="10.00", reference="t 1").json() == first.json()
    assert sum(each.amount for each in Payment.objects.all()) == Decimal("30.00")


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "x" * 5000, "\u202e" * 10])
def test_odd_texts_are_no_failure(program: Program, acme: Workspace, invoice: Invoice, text: str) -> None:
    for path, body in (
        (f"invoices/{invoice.public_id}/void", {"reason": text}),
        (f"invoices/{invoice.public_id}/payments", {"reference": text, "amount": "1.00"}),
        (f"invoices/{invoice.public_id}/payments", {"reference": "t", "amount": "1.00", "also_for": [text]}),
        ("chargebacks", {"payment_id": text, "amount": "1.00", "reference": "t"}),
        (f"workspaces/{acme.public_id}/lines", {"month": "2026-10", "amount": "1.00", "text": text}),
    ):
        assert program.post(path, **body).status_code < 500, path


def test_what_is_refused_closes_no_payment_page(stripe: StripeServer, program: Program, use: Meter, invoice: Invoice) -> None:
    """The customer is about to pay there."""
    elsewhere = an_invoice(make_workspace("Rival"), use)
    payment_page(invoice, NOW)
    named = f"invoices/{invoice.public_id}"
    refused: list[tuple[str, dict[str, Any]]] = [
        (f"{named}/credit-notes", {"reason": "x", "amount": "150.01"}),
        (f"{named}/payments", {"reference": "t", "amount": "1.00", "also_for": [elsewhere.public_id]}),
        (f"{named}/payments", {"reference": "t", "amount": "1.00", "also_for": [invoice.public_id]}),
        (f"{named}/void", {"reason": " "}),
    ]
    for path, body in refused:
        assert program.post(path, **body).status_code in (400, 409, 422), path
        assert [each["status"] for each in stripe.of("checkout.session")] == ["open"], path
    assert program.post(f"{named}/void", reason="wrong").status_code == 200
    assert [each["status"] for each in stripe.of("checkout.session")] == ["expired"]
