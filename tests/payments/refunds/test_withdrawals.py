"""Bought credit that is taken back by hand is owed to its customer until its money went back, in whichever way, once."""

from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.errors import NothingToCredit
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Payment
from metering.payments.refunds import refunds
from metering.payments.refunds.payouts import owed_to, owed_to_customers, pay_out
from metering.payments.refunds.reversals import issue_credit_note
from metering.payments.refunds.withdrawals import withdraw_credit
from metering.payments.top_ups import purchase
from metering.payments.webhooks.inbox import handle_waiting
from metering.reconcile.everything import money_differences
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import Meter, finalized, tokens
from tests.kit.factories import NOW
from tests.kit.paying import send_event, with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import APIKey, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("journal_agrees")]
OPS = "ops@omixa.example"
NOTHING = Decimal("0.00")


@pytest.fixture
def bought(stripe: StripeServer, acme: Workspace, key: APIKey, use: Meter) -> Payment:
    """200.00 of credit by card, of which September used 150.00."""
    with_method(acme, stripe)
    purchase.buy_credit(acme, Decimal("200.00"), purchase.SAVED, "a-key", OPS, NOW)
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    (invoice,) = finalized()
    assert (invoice.status, invoice.credits_applied) == ("paid", Decimal("150.00"))
    return Payment.objects.get()


def grant_of(payment: Payment) -> CreditGrant:
    assert payment.grant is not None
    return payment.grant


def withdrawn(payment: Payment) -> Decimal:
    return withdraw_credit(grant_of(payment), "by mistake", OPS, NOW)


def account(payment: Payment, name: JournalAccount) -> Decimal:
    return balance_of_account(payment.workspace_id, name, "USD")


def tell(stripe: StripeServer, kind: str, about: dict[str, Any]) -> None:
    send_event(stripe, kind, about)
    assert handle_waiting(NOW)["failed"] == 0


def refunded_at_stripe(stripe: StripeServer, payment: Payment, cents: int) -> None:
    made = stripe.make("refund", "re_", payment_intent=payment.intent_id, amount=cents, status="succeeded", currency="usd")
    tell(stripe, "refund.created", made)


def due() -> Decimal:
    return Invoice.objects.get().amount_due


def test_it_is_in_the_list_and_can_be_refunded(bought: Payment) -> None:
    assert withdrawn(bought) == Decimal("50.00")
    (owed,) = owed_to_customers()
    assert (owed.withdrawn, owed.total, account(bought, JournalAccount.OWED_TO_CUSTOMER)) == (Decimal("50.00"),) * 3
    with pytest.raises(InvalidParameter, match=r"0\.00 are left of this credit, not 0\.01"):
        refunds.refund(bought.pk, Decimal("50.01"), "asked for", OPS, NOW)
    made = refunds.refund(bought.pk, Decimal("50.00"), "asked for", OPS, NOW)
    assert (made.status, made.credit_taken) == ("succeeded", Decimal("50.00"))
    assert (owed_to_customers(), account(bought, JournalAccount.OWED_TO_CUSTOMER), due()) == ([], NOTHING, NOTHING)
    assert account(bought, JournalAccount.REFUNDED_AHEAD) == NOTHING


def test_it_can_be_paid_out_by_a_transfer(bought: Payment) -> None:
    withdrawn(bought)
    pay_out(bought.workspace, Decimal("20.00"), "transfer 1", OPS, NOW)
    assert owed_to(bought.workspace).withdrawn == Decimal("30.00")
    with pytest.raises(NothingToCredit, match=r"30\.00 are owed to Acme, not 30\.01"):
        pay_out(bought.workspace, Decimal("30.01"), "transfer 2", OPS, NOW)
    pay_out(bought.workspace, Decimal("30.00"), "transfer 2", OPS, NOW)
    assert (owed_to_customers(), account(bought, JournalAccount.OWED_TO_CUSTOMER)) == ([], NOTHING)
    assert refunds.refundable_amount(Payment.objects.get()) == Decimal("150.00")


def test_refunded_at_stripe_nothing_is_owed_again(bought: Payment, stripe: StripeServer) -> None:
    withdrawn(bought)
    refunded_at_stripe(stripe, bought, 5000)
    assert (due(), owed_to_customers()) == (NOTHING, [])
    refunded_at_stripe(stripe, bought, 1000)
    assert due() == Decimal("10.00")


def test_what_its_bank_takes_back_is_owed_no_more(bought: Payment, stripe: StripeServer) -> None:
    withdrawn(bought)
    dispute = stripe.dispute(str(bought.intent_id))
    dispute["amount"] = 6000
    tell(stripe, "charge.dispute.created", dispute)
    assert owed_to_customers() == []
    dispute["status"] = "lost"
    tell(stripe, "charge.dispute.closed", dispute)
    assert (due(), owed_to_customers()) == (Decimal("10.00"), [])
    assert account(bought, JournalAccount.OWED_TO_CUSTOMER) == account(bought, JournalAccount.CHARGEBACKS) == NOTHING
    dispute["status"] = "won"
    tell(stripe, "charge.dispute.closed", dispute)
    # What was withdrawn is no credit, but owed as before.
    assert (due(), ledger.remaining_of_grant(grant_of(bought)), owed_to(bought.workspace).withdrawn) == (
        NOTHING,
        NOTHING,
        Decimal("50.00"),
    )
    assert account(bought, JournalAccount.CHARGEBACKS) == NOTHING


def test_a_dispute_that_is_won_leaves_it_owed(bought: Payment, stripe: StripeServer) -> None:
    withdrawn(bought)
    dispute = stripe.dispute(str(bought.intent_id))
    tell(stripe, "charge.dispute.created", dispute)
    dispute["status"] = "won"
    tell(stripe, "charge.dispute.closed", dispute)
    assert ledger.remaining_of_grant(grant_of(bought)) == NOTHING
    assert owed_to(bought.workspace).withdrawn == account(bought, JournalAccount.OWED_TO_CUSTOMER) == Decimal("50.00")


def test_a_refund_that_fails_leaves_it_owed(bought: Payment, stripe: StripeServer) -> None:
    withdrawn(bought)
    made = refunds.refund(bought.pk, Decimal("50.00"), "asked for", OPS, NOW)
    failed = stripe.objects[str(made.stripe_id)]
    failed.update(status="failed", failure_reason="closed account")
    tell(stripe, "refund.updated", failed)
    assert ledger.remaining_of_grant(grant_of(bought)) == NOTHING
    assert owed_to(bought.workspace).withdrawn == account(bought, JournalAccount.OWED_TO_CUSTOMER) == Decimal("50.00")


def test_what_was_refunded_at_stripe_of_a_won_dispute_is_not_owed(bought: Payment, stripe: StripeServer) -> None:
    withdrawn(bought)
    dispute = stripe.dispute(str(bought.intent_id))
    dispute["amount"] = 5000
    tell(stripe, "charge.dispute.created", dispute)
    refunded_at_stripe(stripe, bought, 20000)
    assert due() == Decimal("150.00")
    dispute["status"] = "won"
    tell(stripe, "charge.dispute.closed", dispute)
    assert (ledger.remaining_of_grant(grant_of(bought)), owed_to_customers(), due()) == (NOTHING, [], Decimal("150.00"))
    assert account(bought, JournalAccount.OWED_TO_CUSTOMER) == account(bought, JournalAccount.REFUNDED_AHEAD) == NOTHING
    assert money_differences() == []


def test_a_refund_at_stripe_leaves_alone_what_a_dispute_blocks(bought: Payment, stripe: StripeServer) -> None:
    """The credit that is left is blocked, so that the refund's was used: it is owed on the invoice that used it."""
    dispute = stripe.dispute(str(bought.intent_id))
    dispute["amount"] = 5000
    tell(stripe, "charge.dispute.created", dispute)
    refunded_at_stripe(stripe, bought, 2000)
    assert due() == Decimal("20.00")
    dispute["status"] = "lost"
    tell(stripe, "charge.dispute.closed", dispute)
    assert (due(), account(bought, JournalAccount.OWED_TO_CUSTOMER)) == (Decimal("20.00"), NOTHING)
    assert money_differences() == []


def test_credit_of_a_credit_note_is_money_of_its_payment_again(paid: Payment, acme: Workspace) -> None:
    line = paid.invoice.lines.get() if paid.invoice else None
    assert line is not None
    assert paid.invoice_id is not None
    issue_credit_note(paid.invoice_id, {line.public_id: Decimal("50.00")}, "an outage", "balance", OPS, NOW)
    paid.refresh_from_db()
    assert (paid.kept, refunds.refundable_amount(paid)) == (Decimal("50.00"), Decimal("100.00"))
    assert withdraw_credit(CreditGrant.objects.get(), "by mistake", OPS, NOW) == Decimal("50.00")
    paid.refresh_from_db()
    assert (paid.kept, refunds.refundable_amount(paid), owed_to(acme).withdrawn) == (
        NOTHING,
        Decimal("150.00"),
        Decimal("50.00"),
    )
    refunds.refund(paid.pk, Decimal("50.00"), "asked for", OPS, NOW)
    assert (owed_to_customers(), account(paid, JournalAccount.OWED_TO_CUSTOMER)) == ([], NOTHING)
    assert account(paid, JournalAccount.REFUNDED_AHEAD) == NOTHING


def test_what_was_paid_out_of_withdrawn_credit_is_no_refund_ahead_of_another_credit_note(
    acme: Workspace, invoice: Invoice
) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    line = invoice.lines.get().public_id
    issue_credit_note(invoice.pk, {line: Decimal("60.00")}, "an outage", "balance", OPS, NOW)
    withdraw_credit(CreditGrant.objects.get(), "by mistake", OPS, NOW)
    pay_out(acme, Decimal("60.00"), "wire 1", OPS, NOW)
    issue_credit_note(invoice.pk, {line: Decimal("50.00")}, "an outage", "outside", OPS, NOW, reference="wire 2")
    payment = Payment.objects.get()
    assert (payment.refunded, refunds.refundable_amount(payment)) == (Decimal("110.00"), Decimal("40.00"))
    assert account(payment, JournalAccount.MONEY_OTHER) == account(payment, JournalAccount.REFUNDED_AHEAD) == NOTHING
    assert money_differences() == []


def test_credit_that_nobody_paid_for_is_owed_to_nobody(acme: Workspace) -> None:
    given = ledger.grant(acme, "promotional", Decimal("10.00"), OPS, NOW)
    assert withdraw_credit(given, "by mistake", OPS, NOW) == Decimal("10.00")
    assert owed_to_customers() == []
    with pytest.raises(InvalidParameter, match="Nothing is left"):
        withdraw_credit(given, "by mistake", OPS, NOW)


def test_a_refund_that_fails_after_a_credit_note_settled_it_is_owed_again(paid: Payment, stripe: StripeServer) -> None:
    """What was refunded ahead is in the note by then; the money came back, and the note is not given back any more."""
    made = stripe.make("refund", "re_", payment_intent=paid.intent_id, amount=5000, status="succeeded", currency="usd")
    tell(stripe, "refund.created", made)
    assert (paid.invoice_id, account(paid, JournalAccount.REFUNDED_AHEAD)) == (Invoice.objects.get().pk, Decimal("50.00"))
    line = Invoice.objects.get().lines.get()
    amounts = {line.public_id: Decimal("50.00")}
    issue_credit_note(Invoice.objects.get().pk, amounts, "an outage", "outside", OPS, NOW, reference="their page")
    assert account(paid, JournalAccount.REFUNDED_AHEAD) == NOTHING
    made.update(status="failed", failure_reason="closed account")
    tell(stripe, "refund.updated", made)
    assert (account(paid, JournalAccount.REFUNDED_AHEAD), owed_to(paid.workspace).withdrawn) == (NOTHING, Decimal("50.00"))
    pay_out(paid.workspace, Decimal("50.00"), "transfer 1", OPS, NOW)
    assert (owed_to_customers(), account(paid, JournalAccount.OWED_TO_CUSTOMER)) == ([], NOTHING)
    assert refunds.refundable_amount(Payment.objects.get()) == Decimal("100.00")


def test_a_refund_at_stripe_that_is_heard_of_once_it_failed_moves_nothing(paid: Payment, stripe: StripeServer) -> None:
    made = stripe.make("refund", "re_", payment_intent=paid.intent_id, amount=5000, status="failed", currency="usd")
    tell(stripe, "refund.updated", made)
    assert refunds.refundable_amount(Payment.objects.get()) == Decimal("150.00")
    assert account(paid, JournalAccount.REFUNDED_AHEAD) == account(paid, JournalAccount.OWED_TO_CUSTOMER) == NOTHING
    assert money_differences() == []
