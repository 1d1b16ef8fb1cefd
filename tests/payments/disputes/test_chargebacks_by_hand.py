"""Money that came outside Stripe and was taken back by its bank: owed again, once for each reference, and the fee is booked."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering.credits import ledger
from metering.credits.models import CreditEntry, CreditTransfer
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.void import mark_uncollectible
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.notifications.models import Notification
from metering.offboarding.close import close_for_good
from metering.payments.as_json import grant_json, grants_of
from metering.payments.balance.transfer import transfer_credit
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.manual import mark_paid, record_transfer
from metering.payments.disputes.chargebacks import charge_back
from metering.payments.mails.models import Notice
from metering.payments.mails.texts import build_mail
from metering.payments.models import Dispute, Payment
from metering.payments.refunds.attention import surpluses, unplaced_amounts, unplaced_disputes
from metering.payments.refunds.payouts import owed_to, pay_out
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.payments.top_ups import purchase
from metering.payments.webhooks.inbox import handle_waiting
from metering.reconcile.everything import money_differences
from omixa_billing.api.errors import Refusal
from tests.kit.billing import SEPTEMBER, Meter, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_key, make_workspace
from tests.kit.paying import send_event, with_method
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
    notified = Notification.objects.get(type="payment.charged_back")
    assert (notified.data["charged_back"], notified.data["reference"]) == ("150.00", "return 3")
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
    close_for_good(acme, "moves away", "expire", OPS, NOW)
    run(surplus.public_id, "40.00", "--reference", "return 3")
    dispute = Dispute.objects.get()
    # Its credit is ours since it expired, and there is no invoice.
    assert (list(unplaced_disputes()), unplaced_amounts()) == ([dispute], {dispute.stripe_id: Decimal("40.00")})


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
    with pytest.raises(CommandError, match="must be whole cents"):
        run(invoice.public_id, "--reference", "return 3", "--fee", fee, "--", amount) if amount.startswith("-") else run(
            invoice.public_id, amount, "--reference", "return 3", f"--fee={fee}"
        )


def test_a_surplus_that_the_bank_took_waits_for_nobody(acme: Workspace, invoice: Invoice) -> None:
    record_transfer([invoice.pk], Decimal("190.00"), "transfer 1", OPS, NOW)
    surplus = Payment.objects.surplus().get()
    run(surplus.public_id, "30.00", "--reference", "return 3")
    assert list(surpluses()) == [surplus]
    run(surplus.public_id, "10.00", "--reference", "return 4")
    assert list(surpluses()) == []


# --- The bank pays again ------------------------------------------------------------------------------------------------


def reverse(dispute: Dispute, reason: str = "the bank paid again") -> dict[str, Any]:
    out = StringIO()
    call_command("reverse_chargeback", dispute.stripe_id, "--reason", reason, stdout=out)
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed


def test_a_chargeback_is_reversed_once_and_its_fee_stays(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    run(invoice.public_id, "150.00", "--reference", "return 3", "--fee", "12.50")
    dispute = Dispute.objects.get()
    printed = reverse(dispute)
    assert (printed["status"], printed["invoice_status"], printed["amount_due"]) == ("won", "paid", "0.00")
    lifted = build_mail("payment_reinstated", Notice.objects.get(kind="payment_reinstated").context)
    assert lifted.subject == "150.00 USD of invoice OMX-2026-00001 are not due any more"
    assert lifted.sentences[1] == "Nothing is due on invoice OMX-2026-00001 now."
    assert balance(acme, JournalAccount.RECEIVABLE) == NOTHING
    assert (balance(acme, JournalAccount.MONEY_BANK), balance(acme, JournalAccount.PROVIDER_FEES)) == (
        Decimal("137.50"),
        Decimal("12.50"),
    )
    assert (Payment.objects.get().charged_back, Payment.objects.get().reopened) == (NOTHING, NOTHING)
    entry = AuditEntry.objects.get(action="payment.reinstated")
    assert (entry.actor.startswith("command:reverse_chargeback"), entry.detail["reason"]) == (True, "the bank paid again")
    assert Notification.objects.filter(type="payment.dispute_won").count() == 1
    assert not Notice.objects.filter(kind="dispute_won").exists()
    with pytest.raises(CommandError, match="'return 3' was reversed before"):
        reverse(dispute)
    assert money_differences() == []
    # The same money may be taken once more, under another reference.
    run(invoice.public_id, "150.00", "--reference", "return 4")
    assert Invoice.objects.get().amount_due == Decimal("150.00")


def test_one_of_several_payments_is_reversed_as_a_whole(acme: Workspace, invoice: Invoice) -> None:
    record_transfer([invoice.pk], Decimal("100.00"), "part 1", OPS, NOW)
    record_transfer([invoice.pk], Decimal("50.00"), "part 2", OPS, NOW)
    taken = run(invoice.public_id, "150.00", "--reference", "return 3")
    assert taken["chargebacks"] == list(Dispute.objects.order_by("pk").values_list("stripe_id", flat=True))
    printed = reverse(Dispute.objects.get(stripe_id=taken["id"]))
    assert {name: printed[name] for name in ("id", "amount", "chargebacks", "invoice_status", "amount_due")} == {
        "id": taken["id"],
        "amount": "150.00",
        "chargebacks": taken["chargebacks"],
        "invoice_status": "paid",
        "amount_due": "0.00",
    }
    for each in Dispute.objects.all():
        with pytest.raises(CommandError, match="'return 3' was reversed before"):
            reverse(each)
    assert money_differences() == []


def test_what_was_paid_otherwise_meanwhile_is_a_surplus(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    run(invoice.public_id, "150.00", "--reference", "return 3")
    mark_paid(invoice.pk, "transfer 8", OPS, NOW)
    reverse(Dispute.objects.get())
    assert not Notice.objects.filter(kind="payment_reinstated").exists()
    assert (balance(acme, JournalAccount.SURPLUS), balance(acme, JournalAccount.MONEY_BANK)) == (
        Decimal("150.00"),
        Decimal("300.00"),
    )
    assert owed_to(acme).surplus == Decimal("150.00")
    pay_out(acme, Decimal("150.00"), "wire 1", OPS, NOW)
    assert (owed_to(acme).total, money_differences()) == (NOTHING, [])


def test_what_stripe_reports_is_not_reversed_here(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    collect_invoice(invoice.pk, NOW)
    send_event(stripe, "charge.dispute.created", stripe.dispute(str(Payment.objects.get().intent_id), "lost"))
    handle_waiting(NOW)
    with pytest.raises(CommandError, match="Stripe reports its own"):
        reverse(Dispute.objects.get())
    with pytest.raises(CommandError, match="There is no such chargeback"):
        call_command("reverse_chargeback", "cb_1", "--reason", "x", stdout=StringIO())
    with pytest.raises(CommandError, match="Say why"):
        reverse(Dispute.objects.get(), " ")


# --- Credit in other workspaces -----------------------------------------------------------------------------------------


@pytest.fixture
def bought(acme: Workspace, invoice: Invoice) -> Payment:
    """40.00 of credit, by transfer."""
    record_transfer([invoice.pk], Decimal("190.00"), "transfer 1", OPS, NOW)
    surplus = Payment.objects.surplus().get()
    keep_surplus_as_credit(surplus.pk, "they asked", OPS, NOW)
    return surplus


def credit_of(*workspaces: Workspace) -> list[str]:
    return [str(sum((each.left for each in ledger.remaining_grants(one)), NOTHING)) for one in workspaces]


def parts_of_credit(*workspaces: Workspace) -> list[tuple[str, ...]]:
    """Of each one's only credit: its amount, and what of it is left, reversed and transferred, which are all of it."""
    found = [grant_json(grants_of(one).get()) for one in workspaces]
    return [tuple(each[name] for name in ("amount", "left", "reversed", "transferred")) for each in found]


def moved(source: Workspace, target: Workspace, amount: str, reference: str = "split 1") -> None:
    transfer_credit(source, target, Decimal(amount), reference, OPS, NOW)


def test_credit_is_taken_back_where_it_was_transferred_to_and_returns_there(acme: Workspace, bought: Payment) -> None:
    labs, shop = make_workspace("Labs", email=acme.email), make_workspace("Shop", email=acme.email)
    moved(acme, labs, "30.00")
    moved(labs, shop, "20.00")
    assert credit_of(acme, labs, shop) == ["10.00", "10.00", "20.00"]
    run(bought.public_id, "35.00", "--reference", "return 3")
    # First what is left with the payment, then what is elsewhere.
    assert credit_of(acme, labs, shop) == ["0.00", "0.00", "5.00"]
    assert (unplaced_amounts(), balance(labs, JournalAccount.CREDIT_BOUGHT)) == ({}, NOTHING)
    assert balance(acme, JournalAccount.OWED_TO_CUSTOMER) == NOTHING
    actions = AuditEntry.objects.filter(workspace=shop, action="credit.transferred").order_by("-pk")
    assert [each.detail["reason"] for each in actions][:1] == ["In dispute: return 3"]
    assert parts_of_credit(acme, labs, shop) == [
        ("40.00", "0.00", "35.00", "5.00"),
        ("30.00", "0.00", "0.00", "30.00"),
        ("20.00", "5.00", "0.00", "15.00"),
    ]
    reverse(Dispute.objects.get())
    assert [each.detail["reason"] for each in actions.all()][:1] == ["The bank paid again: return 3"]
    assert CreditTransfer.objects.order_by("pk").last().one_payer == "the same payment bought it"  # type: ignore[union-attr]
    assert CreditEntry.objects.filter(workspace=acme, kind="reversal", amount__gt=0).last().reason == (  # type: ignore[union-attr]
        "The bank paid again: return 3"
    )
    assert credit_of(acme, labs, shop) == ["10.00", "10.00", "20.00"]
    assert parts_of_credit(acme, labs, shop) == [
        ("40.00", "10.00", "0.00", "30.00"),
        ("30.00", "10.00", "0.00", "20.00"),
        ("20.00", "20.00", "0.00", "0.00"),
    ]
    assert money_differences() == []


def test_what_another_workspace_used_of_it_is_owed_on_its_invoice(acme: Workspace, bought: Payment, use: Meter) -> None:
    labs = make_workspace("Labs", email=acme.email)
    moved(acme, labs, "40.00")
    use(make_key(labs), "09-14T10:00", usage=tokens(input=20_000_000))
    (other,) = close_workspaces(SEPTEMBER, NOW, workspace=labs, finalize=True)
    assert (other.status, other.credits_applied, credit_of(labs)) == ("paid", Decimal("30.00"), ["10.00"])
    run(bought.public_id, "40.00", "--reference", "return 3")
    other.refresh_from_db()
    assert (other.status, other.amount_due, credit_of(labs)) == ("open", Decimal("30.00"), ["0.00"])
    assert (balance(labs, JournalAccount.RECEIVABLE), balance(acme, JournalAccount.RECEIVABLE)) == (Decimal("30.00"), NOTHING)
    assert unplaced_amounts() == {}
    assert Notice.objects.get(kind="payment_reversed").workspace == labs
    reverse(Dispute.objects.get())
    lifted = Notice.objects.get(kind="payment_reinstated")
    assert (lifted.workspace, lifted.context["amount"], lifted.context["amount_due"]) == (labs, "30.00", "0.00")
    other.refresh_from_db()
    assert (other.status, credit_of(labs), money_differences()) == ("paid", ["10.00"], [])


def test_a_closed_workspace_is_owed_only_what_is_left(acme: Workspace, bought: Payment) -> None:
    labs = make_workspace("Labs", email=acme.email)
    moved(acme, labs, "40.00")
    close_for_good(labs, "moves away", "refund", OPS, NOW)
    assert owed_to(labs).total == Decimal("40.00")
    run(bought.public_id, "25.00", "--reference", "return 3")
    assert owed_to(Workspace.objects.get(pk=labs.pk)).total == Decimal("15.00")
    assert (unplaced_amounts(), money_differences()) == ({}, [])


def test_a_refund_at_stripe_takes_it_back_elsewhere_and_returns_it_when_it_fails(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    purchase.buy_credit(acme, Decimal("40.00"), purchase.SAVED, "a-key", OPS, NOW)
    labs = make_workspace("Labs", email=acme.email)
    moved(acme, labs, "40.00")
    intent = Payment.objects.get().intent_id
    made = stripe.make("refund", "re_", payment_intent=intent, amount=2500, status="succeeded", currency="usd")
    send_event(stripe, "refund.created", made)
    handle_waiting(NOW)
    assert credit_of(acme, labs) == ["0.00", "15.00"]
    made.update(status="failed")
    send_event(stripe, "refund.updated", made)
    handle_waiting(NOW)
    assert (credit_of(acme, labs), money_differences()) == (["0.00", "40.00"], [])


def test_a_won_dispute_returns_elsewhere_what_a_failed_refund_had_taken(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    purchase.buy_credit(acme, Decimal("40.00"), purchase.SAVED, "a-key", OPS, NOW)
    labs = make_workspace("Labs", email=acme.email)
    moved(acme, labs, "40.00")

    def happens(kind: str, about: Any) -> None:
        send_event(stripe, kind, about)
        handle_waiting(NOW)

    intent = str(Payment.objects.get().intent_id)
    refund = stripe.make("refund", "re_", payment_intent=intent, amount=2500, status="succeeded", currency="usd")
    happens("refund.created", refund)
    dispute = stripe.dispute(intent)
    happens("charge.dispute.created", dispute)
    dispute["status"] = "lost"
    happens("charge.dispute.closed", dispute)
    assert credit_of(acme, labs) == ["0.00", "0.00"]
    refund.update(status="failed")
    happens("refund.updated", refund)
    dispute["status"] = "won"
    happens("charge.dispute.closed", dispute)
    assert (credit_of(acme, labs), money_differences()) == (["0.00", "40.00"], [])


@pytest.mark.django_db(transaction=True)
def test_a_chargeback_and_transfers_at_once_wait_for_each_other(acme: Workspace, bought: Payment) -> None:
    labs = make_workspace("Labs", email=acme.email)
    moved(acme, labs, "20.00")
    acts: list[Any] = [
        lambda: charge_back([bought], Decimal("40.00"), "return 3", NOTHING, OPS, NOW),
        lambda: moved(acme, labs, "5.00", "split 2"),
        lambda: moved(labs, acme, "5.00", "split 1"),
    ]
    done = at_once(*acts)
    assert [each for each in done if isinstance(each, Exception) and not isinstance(each, Refusal)] == []
    assert (credit_of(acme, labs), unplaced_amounts(), money_differences()) == (["0.00", "0.00"], {}, [])
