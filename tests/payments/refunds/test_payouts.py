"""A correction is given back once: by the next invoice, by a credit note that settles it, or by a payout to who leaves."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.invoicing.composing.compose import compose
from metering.invoicing.models import Invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Payment
from metering.payments.refunds.payouts import owed_to
from metering.reconcile.everything import money_differences
from metering.reconcile.invoices import invoice_differences
from tests.kit.billing import AUGUST, JULY, OCTOBER, Meter, agree, at, finalized, tokens
from tests.kit.corrections import correct, void
from tests.kit.factories import NOW, make_key
from workspaces.models import Gateway, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stopped_clock")]
NOTHING = Decimal("0.00")


def run(name: str, *arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed


def corrected(workspace: Workspace, use: Meter, gateway: Gateway, is_paid: bool = True) -> Invoice:
    """September was billed 600.00 before tax, and 150.00 of it had not been used, as is known now."""
    key = make_key(workspace)
    use(key, "09-14T10:00", usage=tokens(input=300_000_000))
    use(key, "09-14T11:00", usage=tokens(input=100_000_000))
    (invoice,) = finalized()
    if is_paid:
        mark_paid(invoice.pk, "transfer 1", "ops", NOW)
    correct(gateway, void(key, "req-2"))
    assert pending(workspace) == Decimal("-150.00")
    return invoice


def pending(workspace: Workspace) -> Decimal:
    """What the next invoice takes back, before tax."""
    return compose(workspace, OCTOBER).subtotal


def test_a_credit_note_settles_the_correction_of_the_same_usage(acme: Workspace, use: Meter, gateway: Gateway) -> None:
    invoice = corrected(acme, use, gateway)
    run("credit_invoice", invoice.public_id, "--amount", "150.00", "--reason", "counted twice", "--as", "balance")
    assert pending(acme) == NOTHING
    assert run("owed_to_customers")["workspaces"] == []
    assert money_differences() == []


def test_a_note_of_a_part_settles_that_part(acme: Workspace, use: Meter, gateway: Gateway) -> None:
    invoice = corrected(acme, use, gateway)
    run("credit_invoice", invoice.public_id, "--amount", "50.00", "--reason", "counted twice", "--as", "balance")
    assert pending(acme) == Decimal("-100.00")
    run("credit_invoice", invoice.public_id, "--amount", "200.00", "--reason", "and an outage", "--as", "balance")
    assert pending(acme) == NOTHING


def test_what_a_note_settled_is_no_overbilling_once_the_next_invoice_took_back_the_rest(
    acme: Workspace, use: Meter, gateway: Gateway
) -> None:
    """The trail explains what was billed beyond its usage only until an invoice billed it again."""
    invoice = corrected(acme, use, gateway)
    run("credit_invoice", invoice.public_id, "--amount", "50.00", "--reason", "counted twice", "--as", "balance")
    use(make_key(acme), "10-14T10:00", usage=tokens(input=200_000_000))
    (october,) = finalized(OCTOBER, at("11-05T00:00"))
    assert october.subtotal == Decimal("200.00"), "300.00 of its own less 100.00 of September"
    assert invoice_differences() == []


def test_a_note_on_an_open_invoice_settles_it_too(acme: Workspace, use: Meter, gateway: Gateway) -> None:
    invoice = corrected(acme, use, gateway, is_paid=False)
    run("credit_invoice", invoice.public_id, "--amount", "150.00", "--reason", "counted twice")
    invoice.refresh_from_db()
    assert (invoice.amount_due, pending(acme)) == (Decimal("450.00"), NOTHING)


def test_usage_that_comes_later_is_billed_all_the_same(acme: Workspace, use: Meter, gateway: Gateway) -> None:
    invoice = corrected(acme, use, gateway)
    run("credit_invoice", invoice.public_id, "--amount", "150.00", "--reason", "counted twice", "--as", "balance")
    use(make_key(acme), "09-20T10:00", usage=tokens(input=10_000_000))
    assert pending(acme) == Decimal("15.00")


@pytest.mark.parametrize("terms", [{"discount_percent": Decimal(10)}, {}])
def test_who_leaves_is_paid_out_once(acme: Workspace, use: Meter, gateway: Gateway, terms: dict[str, Any]) -> None:
    agree(acme, {"VAT": "20"}, **terms)
    key = make_key(acme)
    use(key, "09-14T10:00", usage=tokens(input=300_000_000))
    use(key, "09-14T11:00", usage=tokens(input=100_000_000))
    (invoice,) = finalized()
    mark_paid(invoice.pk, "transfer 1", "ops", NOW)
    correct(gateway, void(key, "req-2"))
    owed = "162.00" if terms else "180.00"
    (row,) = run("owed_to_customers")["workspaces"]
    assert (row["workspace_id"], row["corrections"], row["total"]) == (acme.public_id, owed, owed)
    paid = run("pay_out", acme.public_id, owed, "--reference", "wire-9")
    assert (paid["status"], paid["amount"], paid["reference"]) == ("paid", owed, "wire-9")
    assert (run("owed_to_customers")["workspaces"], pending(acme)) == ([], NOTHING)
    assert Payment.objects.get().refunded == Decimal(owed)
    with pytest.raises(CommandError, match="was recorded before"):
        run("pay_out", acme.public_id, owed, "--reference", "wire-9")
    with pytest.raises(CommandError, match=r"0\.00 are owed to Acme"):
        run("pay_out", acme.public_id, "0.01", "--reference", "wire-10")
    assert money_differences() == []


def test_a_payout_may_be_of_a_part(acme: Workspace, use: Meter, gateway: Gateway) -> None:
    corrected(acme, use, gateway)
    run("pay_out", acme.public_id, "100.00", "--reference", "wire-1")
    assert (run("owed_to_customers")["workspaces"][0]["total"], pending(acme)) == ("50.00", Decimal("-50.00"))
    run("pay_out", acme.public_id, "50.00", "--reference", "wire-2")
    assert pending(acme) == NOTHING


def test_a_surplus_is_owed_and_paid_out_first(acme: Workspace, use: Meter, gateway: Gateway) -> None:
    invoice = corrected(acme, use, gateway, is_paid=False)
    run("record_payment", invoice.public_id, "620.00", "--reference", "transfer 1")
    (row,) = run("owed_to_customers")["workspaces"]
    assert (row["surplus"], row["corrections"], row["total"]) == ("20.00", "150.00", "170.00")
    run("pay_out", acme.public_id, "20.00", "--reference", "wire-1")
    (row,) = run("owed_to_customers")["workspaces"]
    assert (row["surplus"], row["total"]) == ("0.00", "150.00")


def test_a_customer_to_whom_nothing_is_owed_is_not_listed(acme: Workspace, use: Meter) -> None:
    use(make_key(acme), "09-14T10:00", usage=tokens(input=10_000_000))
    finalized()
    assert run("owed_to_customers") == {"workspaces": []}


def test_what_is_owed_is_worked_out_once_however_many_months_were_paid(acme: Workspace, use: Meter) -> None:
    key = make_key(acme)

    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert owed_to(acme).total == NOTHING
        return len(asked)

    for month, day in ((JULY, "07"), (AUGUST, "08")):
        use(key, f"{day}-14T10:00", usage=tokens(input=1_000_000))
        (invoice,) = finalized(month)
        mark_paid(invoice.pk, f"transfer {day}", "ops", NOW)
        if month is JULY:
            of_one = statements()
    assert statements() == of_one
