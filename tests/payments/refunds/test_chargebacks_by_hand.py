"""Money that came outside Stripe and was taken back by its bank: owed again, once for each reference, and the fee is booked."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering.credits import ledger
from metering.invoicing.lifecycle.void import mark_uncollectible
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.notifications.models import Notification
from metering.payments.balance.transfer import transfer_credit
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.manual import mark_paid, record_transfer
from metering.payments.models import Dispute, Payment
from metering.payments.refunds.attention import unplaced_amounts, unplaced_disputes
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.reconcile.everything import money_differences
from tests.kit.factories import NOW, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stopped_clock", "journal_agrees")]
OPS = "ops@omixa.example"
NOTHING = Decimal("0.00")


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("charge_back", *arguments, stdout=out)
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed


def balance(workspace: Workspace, account: JournalAccount) -> Decimal:
    return balance_of_account(workspace.pk, account, "USD")


def test_what_it_paid_is_owed_again_and_the_fee_is_booked(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    printed = run(str(Invoice.objects.get().number), "150.00", "--reference", "return 3", "--fee", "12.50")
    dispute = Dispute.objects.get()
    assert printed == {
        "id": dispute.stripe_id,
        "number": "OMX-2026-00001",
        "status": "lost",
        "amount": "150.00",
        "fee": "12.50",
        "reference": "return 3",
        "invoice_id": invoice.public_id,
        "invoice_status": "open",
        "amount_due": "150.00",
        "chargebacks": [dispute.stripe_id],
    }
    assert balance(acme, JournalAccount.RECEIVABLE) == Decimal("150.00")
    assert (balance(acme, JournalAccount.MONEY_BANK), balance(acme, JournalAccount.PROVIDER_FEES)) == (
        Decimal("-12.50"),
        Decimal("12.50"),
    )
    assert Payment.objects.get().charged_back == Decimal("150.00")
    entry = AuditEntry.objects.get(action="payment.charged_back")
    assert (entry.actor.startswith("command:charge_back"), entry.detail["reference"]) == (True, "return 3")
    told = Notification.objects.get(type="payment.charged_back")
    assert (told.data["charged_back"], told.data["reference"]) == ("150.00", "return 3")
    assert not Notification.objects.filter(type="payment.disputed").exists()
    with pytest.raises(CommandError, match="'return 3' was recorded before"):
        run(invoice.public_id, "150.00", "--reference", "return 3")
    # It is paid another time, and money_differences see one chargeback.
    mark_paid(invoice.pk, "transfer 8", OPS, NOW)
    assert (Invoice.objects.get().status, money_differences()) == ("paid", [])


def test_several_payments_of_an_invoice_are_charged_back_the_latest_first(acme: Workspace, invoice: Invoice) -> None:
    record_transfer([invoice.pk], Decimal("100.00"), "part 1", OPS, NOW)
    record_transfer([invoice.pk], Decimal("50.00"), "part 2", OPS, NOW)
    with pytest.raises(CommandError, match=r"150\.00 of it are left to be charged back, not 150\.01"):
        run(invoice.public_id, "150.01", "--reference", "return 3")
    run(invoice.public_id, "70.00", "--reference", "return 3")
    first, second = Payment.objects.order_by("pk")
    assert (first.charged_back, second.charged_back) == (Decimal("20.00"), Decimal("50.00"))
    assert Invoice.objects.get().amount_due == Decimal("70.00")
    run(first.public_id, "80.00", "--reference", "return 4")
    assert Invoice.objects.get().amount_due == Decimal("150.00")


def test_of_an_invoice_that_is_written_off_it_is_bad_debt(acme: Workspace, invoice: Invoice) -> None:
    record_transfer([invoice.pk], Decimal("100.00"), "part 1", OPS, NOW)
    mark_uncollectible(invoice.pk, "gone", OPS, NOW)
    run(invoice.public_id, "100.00", "--reference", "return 3")
    assert (balance(acme, JournalAccount.BAD_DEBT), balance(acme, JournalAccount.RECEIVABLE)) == (Decimal("150.00"), NOTHING)


def test_credit_that_it_bought_is_taken_back(acme: Workspace, invoice: Invoice) -> None:
    record_transfer([invoice.pk], Decimal("190.00"), "transfer 1", OPS, NOW)
    surplus = Payment.objects.surplus().get()
    keep_surplus_as_credit(surplus.pk, "they asked", OPS, NOW)
    run(surplus.public_id, "40.00", "--reference", "return 3")
    assert (ledger.remaining_grants(acme), balance(acme, JournalAccount.CREDIT_BOUGHT)) == ([], NOTHING)
    assert Invoice.objects.get().status == "paid"


def test_what_nobody_can_owe_is_listed_for_operators(acme: Workspace, invoice: Invoice) -> None:
    record_transfer([invoice.pk], Decimal("190.00"), "transfer 1", OPS, NOW)
    surplus = Payment.objects.surplus().get()
    keep_surplus_as_credit(surplus.pk, "they asked", OPS, NOW)
    transfer_credit(acme, make_workspace("Labs", email=acme.email), Decimal("15.00"), "split 1", OPS, NOW)
    run(surplus.public_id, "40.00", "--reference", "return 3")
    dispute = Dispute.objects.get()
    # 25.00 of its credit were left to bear it: the rest is in another workspace.
    assert (list(unplaced_disputes()), unplaced_amounts()) == ([dispute], {dispute.stripe_id: Decimal("15.00")})


def test_money_that_came_by_stripe_is_not_charged_back_here(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    collect_invoice(invoice.pk, NOW)
    with pytest.raises(CommandError, match="Only money that came outside Stripe"):
        run(Payment.objects.get().public_id, "10.00", "--reference", "return 3")
    with pytest.raises(CommandError, match="Only money that came outside Stripe"):
        run(invoice.public_id, "10.00", "--reference", "return 3")


@pytest.mark.parametrize(("amount", "fee"), [("0.00", "0.00"), ("10.001", "0.00"), ("-1.00", "0.00"), ("10.00", "-1.00")])
def test_amounts_are_whole_cents(acme: Workspace, invoice: Invoice, amount: str, fee: str) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    with pytest.raises(CommandError, match="is whole cents"):
        run(invoice.public_id, "--reference", "return 3", "--fee", fee, "--", amount) if amount.startswith("-") else run(
            invoice.public_id, amount, "--reference", "return 3", f"--fee={fee}"
        )
