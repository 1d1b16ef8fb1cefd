"""A dispute moves money: blocked while it runs, gone when it is lost, as before when it is won. And returned debits."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.errors import NothingToCredit
from metering.invoicing.credit_notes.issue import chosen_amounts
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.void import mark_uncollectible
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import BillingTerms
from metering.payments.collecting.collect import collect_due, collect_invoice
from metering.payments.collecting.dunning import dun
from metering.payments.collecting.manual import mark_paid
from metering.payments.exports.money import payments
from metering.payments.mails.sending import send_waiting
from metering.payments.models import Dispute, Dunning, Payment
from metering.payments.refunds import refunds
from metering.payments.refunds.payouts import owed_to
from metering.payments.refunds.reversals import issue_credit_note
from metering.payments.refunds.withdrawals import withdraw_credit
from metering.payments.top_ups import purchase
from metering.periods import parse_month
from metering.reconcile.everything import money_differences
from metering.reconcile.with_stripe import against_stripe
from tests.kit.billing import OCTOBER, Meter, tokens
from tests.kit.factories import NOW, make_key
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from tests.payments.disputes.acts import deliver, disputed, ends, invoice_now, left, surplus_and_chargebacks
from workspaces.models import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("journal_agrees")]
OPS = "ops@omixa.example"
NOTHING, FIFTY, ALL = Decimal("0.00"), Decimal("50.00"), Decimal("150.00")
WEEKS = timedelta(weeks=3)


@pytest.fixture
def credit(stripe: StripeServer, acme: Workspace) -> Payment:
    """50.00 of credit, by card, of a prepaid workspace."""
    BillingTerms.objects.create(workspace=acme, mode="prepaid")
    with_method(acme, stripe)
    purchase.buy_credit(acme, FIFTY, purchase.SAVED, "a-key", "ops", NOW)
    return Payment.objects.get()


def why_suspended(workspace: Workspace) -> str:
    workspace.refresh_from_db()
    return workspace.suspended_because


def test_credit_in_dispute_cannot_be_spent_and_comes_back_when_it_is_won(
    stripe: StripeServer, acme: Workspace, credit: Payment
) -> None:
    assert (left(acme), why_suspended(acme)) == (FIFTY, "")
    dispute = disputed(stripe, credit)
    assert (left(acme), why_suspended(acme)) == (NOTHING, "Its prepaid credit is used up.")
    assert Dispute.objects.values_list("credit_blocked", "fee").get() == (FIFTY, Decimal("15.00"))
    with pytest.raises(NothingToCredit, match=r"0\.00 of this payment are left"):
        refunds.refund(credit.pk, FIFTY, "x", OPS, NOW)
    for _ in range(2):
        ends(stripe, dispute, "won")
    assert (left(acme), why_suspended(acme)) == (FIFTY, "")
    assert Dispute.objects.values_list("credit_blocked", "charged_back").get() == (NOTHING, NOTHING)


def test_credit_in_a_lost_dispute_is_taken_back(stripe: StripeServer, acme: Workspace, credit: Payment) -> None:
    dispute = disputed(stripe, credit)
    for _ in range(2):
        ends(stripe, dispute, "lost")
    credit.refresh_from_db()
    assert (left(acme), credit.charged_back, credit.reopened) == (NOTHING, FIFTY, NOTHING)
    assert why_suspended(acme) == "Its prepaid credit is used up."
    assert money_differences() == []


def test_what_was_used_of_disputed_credit_is_owed_on_its_invoice(
    stripe: StripeServer, acme: Workspace, credit: Payment, use: Meter
) -> None:
    use(make_key(acme), "09-14T10:00", usage=tokens(input=20_000_000))
    (invoice,) = close_workspaces(parse_month("2026-09"), NOW, finalize=True)
    assert (invoice.status, invoice.credits_applied) == ("paid", Decimal("30.00"))
    dispute = disputed(stripe, credit)
    assert (left(acme), invoice_now()) == (NOTHING, ("paid", NOTHING, NOTHING))
    ends(stripe, dispute, "lost")
    assert invoice_now() == ("open", Decimal("30.00"), NOTHING)
    assert money_differences() == []
    ends(stripe, dispute, "won", "charge.dispute.funds_reinstated")
    assert (invoice_now(), left(acme)) == (("paid", NOTHING, NOTHING), Decimal("20.00"))
    credit.refresh_from_db()
    assert (credit.charged_back, credit.reopened) == (NOTHING, NOTHING)
    assert money_differences() == []


def test_a_lost_dispute_makes_the_invoice_reopened_and_it_is_dunned_by_mail(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    dispute = disputed(stripe, paid)
    assert invoice_now() == ("paid", NOTHING, ALL)
    ends(stripe, dispute, "lost")
    assert invoice_now() == ("open", ALL, ALL)
    assert collect_due(NOW) == {"succeeded": 0, "processing": 0, "declined": 0, "failed": 0}
    assert dun(NOW + timedelta(days=14), collect_invoice)["reminded"] == 1
    assert len(stripe.succeeded()) == 1, "a card that was disputed is not charged again"
    send_waiting(NOW + timedelta(days=14))
    subjects = [each.subject for each in mail.outbox]
    number = Invoice.objects.get().number
    assert subjects.count(f"Invoice {number} is due again") == 1
    assert subjects.count(f"Reminder: invoice {number} was due on 2026-10-29") == 1
    assert money_differences() == []


def test_each_time_that_it_is_lost_its_customer_gets_a_mail(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    dispute = disputed(stripe, paid)
    for status in ("lost", "won", "lost"):
        ends(stripe, dispute, status)
    assert invoice_now() == ("open", ALL, ALL)
    send_waiting(NOW)
    number = Invoice.objects.get().number
    assert [each.subject for each in mail.outbox].count(f"Invoice {number} is due again") == 2


def test_it_can_be_written_off_or_paid_otherwise(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    dispute = disputed(stripe, paid)
    ends(stripe, dispute, "lost")
    invoice = Invoice.objects.get()
    assert mark_uncollectible(invoice.pk, "fraud", OPS, NOW).status == "uncollectible"
    mark_paid(invoice.pk, "transfer 9", OPS, NOW)
    assert invoice_now() == ("paid", NOTHING, Decimal("300.00"))
    ends(stripe, dispute, "won", "charge.dispute.funds_reinstated")
    assert (invoice_now()[0], Payment.objects.count()) == ("paid", 2)
    assert owed_to(acme).surpluses == [(paid, ALL)]


def test_once_it_is_won_its_dunning_ends(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    dispute = disputed(stripe, paid)
    ends(stripe, dispute, "lost")
    dun(NOW + timedelta(days=15), collect_invoice)
    assert Dunning.objects.get().state == "retrying"
    ends(stripe, dispute, "won")
    assert Dunning.objects.get().state == "settled"


@pytest.mark.parametrize(
    ("noted", "millions", "spent"),
    [("60.00", 0, NOTHING), ("60.00", 20, Decimal("30.00")), ("100.00", 0, NOTHING), ("150.00", 0, NOTHING)],
)
def test_credit_that_a_credit_note_kept_goes_with_the_money(
    stripe: StripeServer, acme: Workspace, paid: Payment, use: Meter, noted: str, millions: int, spent: Decimal
) -> None:
    """So much of the invoice is credit of its customer, and the bank asks for all 150.00."""
    invoice, all_kept = Invoice.objects.get(), Decimal(noted)
    issue_credit_note(invoice.pk, chosen_amounts(invoice, None, all_kept), "an outage", "balance", OPS, NOW)
    if millions:
        use(make_key(acme), "08-14T10:00", usage=tokens(input=millions * 1_000_000))
        (august,) = close_workspaces(parse_month("2026-08"), NOW, finalize=True)
        assert august.credits_applied == spent
    kept = all_kept - spent
    dispute = disputed(stripe, paid)
    assert (left(acme), Dispute.objects.get().credit_blocked) == (NOTHING, kept)
    ends(stripe, dispute, "lost")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due, money_differences()) == ("open" if kept < ALL else "paid", ALL - kept, [])
    ends(stripe, dispute, "won")
    invoice.refresh_from_db()
    paid.refresh_from_db()
    assert (invoice.status, left(acme), paid.kept) == ("paid", kept, all_kept)
    assert (money_differences(), surplus_and_chargebacks(acme)) == ([], (NOTHING, NOTHING))


def test_credit_of_a_credit_note_that_was_withdrawn_goes_with_the_money_first(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    """It is owed to the customer, until the bank takes it: then it is owed no more, and the invoice for the rest."""
    invoice = Invoice.objects.get()
    issue_credit_note(invoice.pk, chosen_amounts(invoice, None, Decimal("50.00")), "an outage", "balance", OPS, NOW)
    withdraw_credit(CreditGrant.objects.get(), "by mistake", OPS, NOW)
    assert owed_to(acme).withdrawn == Decimal("50.00")
    dispute = disputed(stripe, paid)
    assert (Dispute.objects.get().credit_blocked, owed_to(acme).withdrawn) == (Decimal("50.00"), NOTHING)
    ends(stripe, dispute, "lost")
    assert (invoice_now()[:2], money_differences()) == (("open", Decimal("100.00")), [])
    ends(stripe, dispute, "won")
    paid.refresh_from_db()
    assert (invoice_now()[0], left(acme), paid.kept, owed_to(acme).withdrawn) == ("paid", NOTHING, NOTHING, Decimal("50.00"))
    assert (money_differences(), surplus_and_chargebacks(acme)) == ([], (NOTHING, NOTHING))


def test_a_dispute_of_what_paid_the_invoice_leaves_that_credit(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    invoice = Invoice.objects.get()
    issue_credit_note(invoice.pk, chosen_amounts(invoice, None, Decimal("60.00")), "an outage", "balance", OPS, NOW)
    ends(stripe, disputed(stripe, paid, cents=9000), "lost")
    assert (left(acme), invoice_now()[:2]) == (Decimal("60.00"), ("open", Decimal("90.00")))


def test_exports_show_what_was_taken_back_and_paid_again(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    dispute = disputed(stripe, paid)
    ends(stripe, dispute, "lost")
    ends(stripe, dispute, "won")
    rows = [row for row in payments(OCTOBER, acme) if row[0].startswith("chargeback")]
    assert [(row[0], row[1], row[4], row[-1]) for row in rows] == [
        ("chargeback", dispute["id"], Invoice.objects.get().number, "-150.00"),
        ("chargeback_reversed", dispute["id"], Invoice.objects.get().number, "150.00"),
    ]


def test_a_dispute_of_a_part_takes_that_part(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    dispute = disputed(stripe, paid, cents=9000)
    assert refunds.refundable_amount(Payment.objects.get()) == Decimal("60.00")
    ends(stripe, dispute, "lost")
    assert invoice_now() == ("open", Decimal("90.00"), ALL)
    assert refunds.refundable_amount(Payment.objects.get()) == Decimal("60.00")


def test_an_inquiry_moves_nothing(stripe: StripeServer, acme: Workspace, credit: Payment) -> None:
    dispute = stripe.dispute(str(credit.intent_id), "warning_needs_response")
    deliver(stripe, "charge.dispute.created", dispute)
    assert left(acme) == FIFTY
    ends(stripe, dispute, "needs_response", "charge.dispute.updated")
    assert left(acme) == NOTHING
    ends(stripe, dispute, "warning_closed")
    assert left(acme) == FIFTY


@pytest.mark.parametrize("kind", ["payment_intent.payment_failed", "charge.failed"])
def test_a_bank_debit_that_is_returned_weeks_later_is_reopened(stripe: StripeServer, debit: dict[str, Any], kind: str) -> None:
    stripe.settle(debit["id"])
    deliver(stripe, "payment_intent.succeeded", debit)
    assert invoice_now() == ("paid", NOTHING, ALL)
    error = {"code": "insufficient_funds", "message": "The bank returned the debit."}
    stripe.objects[debit["id"]].update(status="requires_payment_method", last_payment_error=error)
    about = debit if kind.startswith("payment_intent") else {"id": "ch_1", "payment_intent": debit["id"]}
    for _ in range(2):
        deliver(stripe, kind, about, NOW + WEEKS)
    assert invoice_now() == ("open", ALL, ALL)
    assert Dispute.objects.values_list("reason", "status", "charged_back").get() == ("insufficient_funds", "lost", ALL)
    assert Payment.objects.get().charged_back == ALL
    assert stripe.objects[debit["id"]]["status"] == "canceled"
    assert (money_differences(), against_stripe(NOW + WEEKS)) == ([], [])


def test_a_returned_debit_that_is_also_a_dispute_is_taken_back_once(stripe: StripeServer, debit: dict[str, Any]) -> None:
    stripe.settle(debit["id"])
    deliver(stripe, "payment_intent.succeeded", debit)
    dispute = stripe.dispute(debit["id"], "lost")
    deliver(stripe, "charge.dispute.created", dispute)
    stripe.objects[debit["id"]].update(status="requires_payment_method", last_payment_error={"code": "x", "message": "x"})
    deliver(stripe, "charge.failed", {"id": "ch_1", "payment_intent": debit["id"]})
    assert (invoice_now(), Payment.objects.get().charged_back) == (("open", ALL, ALL), ALL)


def test_a_refund_that_fails_because_of_a_dispute_gives_no_credit_to_spend(
    stripe: StripeServer, acme: Workspace, credit: Payment
) -> None:
    stripe.fail_at(1, "die_before")
    refunds.refund(credit.pk, FIFTY, "x", OPS, NOW)
    dispute = disputed(stripe, credit)
    stripe.refuse(
        lambda method, path, _: (method, path) == ("POST", "/v1/refunds"), 400, code="charge_disputed", message="Disputed."
    )
    refunds.recover_refunds(NOW)
    assert (left(acme), Dispute.objects.get().credit_blocked) == (NOTHING, FIFTY)
    ends(stripe, dispute, "won")
    assert left(acme) == FIFTY


def test_credit_that_is_granted_besides_stays(stripe: StripeServer, acme: Workspace, credit: Payment) -> None:
    ledger.grant(acme, "goodwill", Decimal("5.00"), OPS, NOW)
    ends(stripe, disputed(stripe, credit), "lost")
    assert left(acme) == Decimal("5.00")
