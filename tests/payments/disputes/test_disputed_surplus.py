"""Disputes of money that settles nothing: what the bank pays again beside another payment, and surpluses that it disputes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.errors import NothingToCredit
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.payments.collecting.manual import mark_paid
from metering.payments.collecting.record import record_payment
from metering.payments.disputes.disputes import keep_dispute
from metering.payments.mails.models import Notice
from metering.payments.models import Dispute, Payment, PaymentAttempt
from metering.payments.provider.current import provider
from metering.payments.provider.objects import Intent
from metering.payments.refunds import refunds
from metering.payments.refunds.attention import notify_of_surpluses, surpluses
from metering.payments.refunds.payouts import owed_to, pay_out
from metering.payments.refunds.reversals import issue_credit_note, usual_settlement
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.reconcile.everything import money_differences
from tests.kit.factories import NOW
from tests.kit.stripe_server import StripeServer
from tests.payments.disputes.acts import deliver, disputed, ends, invoice_now, surplus_and_chargebacks
from workspaces.models import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("journal_agrees")]
OPS = "ops@omixa.example"
NOTHING, FIFTY, ALL = Decimal("0.00"), Decimal("50.00"), Decimal("150.00")


def money_at(workspace: Workspace) -> tuple[Decimal, Decimal]:
    """At Stripe and at the bank, but for fees."""
    at_stripe, at_bank, fees = (
        balance_of_account(workspace.pk, each, "USD")
        for each in (JournalAccount.MONEY_STRIPE, JournalAccount.MONEY_BANK, JournalAccount.PROVIDER_FEES)
    )
    return at_stripe + fees, at_bank


@pytest.fixture
def paid_twice(stripe: StripeServer, acme: Workspace, paid: Payment) -> Payment:
    """150.00 that the bank paid again once the invoice was paid by transfer."""
    dispute = disputed(stripe, paid)
    ends(stripe, dispute, "lost")
    mark_paid(paid.invoice_id or 0, "transfer 9", OPS, NOW)
    ends(stripe, dispute, "won", "charge.dispute.funds_reinstated")
    paid.refresh_from_db()
    return paid


def test_what_a_bank_pays_again_beside_another_payment_is_a_surplus_at_stripe(
    stripe: StripeServer, acme: Workspace, paid_twice: Payment, settings: Any
) -> None:
    assert money_at(acme) == (ALL, ALL)
    assert surplus_and_chargebacks(acme) == (ALL, NOTHING)
    assert (list(surpluses()), owed_to(acme).total) == ([paid_twice], ALL)
    assert paid_twice.surplus == "The bank returned the money, and what it had paid for was paid in another way."
    settings.OPERATOR_EMAILS = [OPS]
    notify_of_surpluses(NOW)
    assert Notice.objects.get(kind="payment_surplus").context["amount"] == "150.00"
    # It goes back as it came, once, and the credit note of the invoice is another 150.00.
    refunds.refund(paid_twice.pk, ALL, "paid twice", OPS, NOW)
    assert (money_at(acme), surplus_and_chargebacks(acme)) == ((NOTHING, ALL), (NOTHING, NOTHING))
    assert (list(surpluses()), owed_to(acme).total, money_differences()) == ([], NOTHING, [])
    issue_credit_note(paid_twice.invoice_id or 0, None, "an outage", "outside", OPS, NOW, "wire 1")
    assert money_at(acme) == (NOTHING, NOTHING)
    assert balance_of_account(acme.pk, JournalAccount.MONEY_OTHER, "USD") == NOTHING


def test_a_refund_of_the_invoice_leaves_the_surplus_alone(stripe: StripeServer, acme: Workspace, paid_twice: Payment) -> None:
    invoice = Invoice.objects.get()
    assert usual_settlement(invoice) == "balance"  # what is at Stripe did not pay it
    issue_credit_note(invoice.pk, None, "an outage", "outside", OPS, NOW, "wire 1")
    assert (money_at(acme), owed_to(acme).total) == ((ALL, NOTHING), ALL)
    with pytest.raises(NothingToCredit):
        keep_surplus_as_credit(paid_twice.pk, "they asked", OPS, NOW)
    pay_out(acme, ALL, "wire 2", OPS, NOW)
    # All of it went back: the other money is still at Stripe, and the bank sent this.
    assert (money_at(acme), owed_to(acme).total, list(surpluses())) == ((ALL, -ALL), NOTHING, [])


def test_a_refund_that_a_person_makes_at_stripe_takes_the_surplus(
    stripe: StripeServer, acme: Workspace, paid_twice: Payment
) -> None:
    made = stripe.make("refund", "re_", payment_intent=paid_twice.intent_id, amount=15000, status="succeeded", currency="usd")
    deliver(stripe, "refund.created", made)
    assert (owed_to(acme).total, invoice_now()[0], money_at(acme)) == (NOTHING, "paid", (NOTHING, ALL))
    assert balance_of_account(acme.pk, JournalAccount.REFUNDED_AHEAD, "USD") == NOTHING


def test_lost_and_won_again_it_is_the_same_surplus(stripe: StripeServer, acme: Workspace, paid_twice: Payment) -> None:
    dispute = stripe.objects[Dispute.objects.get().stripe_id]
    ends(stripe, dispute, "lost")
    assert (surplus_and_chargebacks(acme), invoice_now()[0], owed_to(acme).total) == ((NOTHING, NOTHING), "paid", NOTHING)
    ends(stripe, dispute, "won")
    assert (surplus_and_chargebacks(acme), money_at(acme), owed_to(acme).total) == ((ALL, NOTHING), (ALL, ALL), ALL)
    # Once it was refunded it is owed on the invoice when the bank takes it as well.
    refunds.refund(paid_twice.pk, ALL, "paid twice", OPS, NOW)
    ends(stripe, dispute, "lost")
    assert invoice_now()[:2] == ("open", ALL)
    ends(stripe, dispute, "won")
    assert (invoice_now()[:2], owed_to(acme).total, surplus_and_chargebacks(acme)) == (
        ("paid", NOTHING),
        NOTHING,
        (NOTHING, NOTHING),
    )
    assert money_differences() == []


def test_an_answer_of_stripes_from_before_it_was_over_changes_nothing(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    """Two workers ask at once, and the one that asked first is the second to write."""
    dispute = disputed(stripe, paid)
    early = provider().look_up_dispute(dispute["id"])
    early = replace(early, reason="another")  # so that it is news
    ends(stripe, dispute, "lost")
    before = money_at(acme)
    keep_dispute(early, paid.pk, NOW)
    assert (Dispute.objects.get().status, money_at(acme), invoice_now()[0]) == ("lost", before, "open")


@pytest.fixture
def surplus(stripe: StripeServer, acme: Workspace, paid: Payment) -> Payment:
    """100.00 by card for an invoice on which nothing was due any more."""
    intent = stripe.make("payment_intent", "pi_", amount=10000, amount_received=10000, currency="usd", status="succeeded")
    found = Intent(id=intent["id"], status="succeeded", amount=Decimal("100.00"), currency="USD", received=Decimal("100.00"))
    return record_payment(PaymentAttempt.objects.get(), found, NOW)


def test_a_surplus_bears_its_lost_dispute_and_is_there_again_when_the_bank_pays(
    stripe: StripeServer, acme: Workspace, surplus: Payment
) -> None:
    dispute = disputed(stripe, surplus)
    ends(stripe, dispute, "lost")
    assert surplus_and_chargebacks(acme) == (NOTHING, NOTHING)
    ends(stripe, dispute, "won", "charge.dispute.funds_reinstated")
    assert surplus_and_chargebacks(acme) == (Decimal("100.00"), NOTHING)
    surplus.refresh_from_db()
    assert (surplus.charged_back, surplus.reopened, refunds.refundable_amount(surplus)) == (NOTHING, NOTHING, Decimal("100.00"))


def test_a_dispute_takes_what_settled_nothing_before_the_credit_that_the_rest_became(
    stripe: StripeServer, acme: Workspace, surplus: Payment
) -> None:
    dispute = disputed(stripe, surplus, cents=4000)
    kept = keep_surplus_as_credit(surplus.pk, "asked for", OPS, NOW)
    assert (kept.amount, surplus_and_chargebacks(acme)) == (Decimal("60.00"), (Decimal("40.00"), NOTHING))
    ends(stripe, dispute, "lost")
    assert (ledger.remaining_of_grant(kept), surplus_and_chargebacks(acme)) == (Decimal("60.00"), (NOTHING, NOTHING))
    assert refunds.refundable_amount(Payment.objects.get(pk=surplus.pk)) == Decimal("60.00")
    ends(stripe, dispute, "won", "charge.dispute.funds_reinstated")
    assert (ledger.remaining_of_grant(kept), surplus_and_chargebacks(acme)) == (Decimal("60.00"), (Decimal("40.00"), NOTHING))
    assert owed_to(acme).surplus == Decimal("40.00")
    refunds.refund(surplus.pk, Decimal("100.00"), "asked for", OPS, NOW)
    assert (ledger.remaining_of_grant(kept), surplus_and_chargebacks(acme)) == (NOTHING, (NOTHING, NOTHING))
