"""Credit of a dispute or a refund that comes to nothing: it comes back only as far as its money did not go back otherwise."""

from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.invoicing.credit_notes.issue import chosen_amounts
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.offboarding.close import close_for_good
from metering.payments.collecting.record import record_payment
from metering.payments.models import Dispute, Payment, PaymentAttempt, Refund
from metering.payments.provider.objects import Intent
from metering.payments.refunds import refunds
from metering.payments.refunds.attention import unplaced_amounts
from metering.payments.refunds.payouts import owed_to
from metering.payments.refunds.reversals import issue_credit_note
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.payments.top_ups import purchase
from metering.payments.webhooks.inbox import handle_waiting
from metering.reconcile.everything import money_differences
from tests.kit.factories import NOW
from tests.kit.paying import send_event, with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("journal_agrees")]
OPS = "ops@omixa.example"
NOTHING = Decimal("0.00")


def tell(stripe: StripeServer, kind: str, about: dict[str, Any]) -> None:
    send_event(stripe, kind, about)
    assert handle_waiting(NOW)["failed"] == 0


def disputed(stripe: StripeServer, payment: Payment) -> dict[str, Any]:
    dispute = stripe.dispute(str(payment.intent_id))
    tell(stripe, "charge.dispute.created", dispute)
    return dispute


def ends(stripe: StripeServer, dispute: dict[str, Any], status: str) -> None:
    dispute["status"] = status
    tell(stripe, "charge.dispute.closed", dispute)


def refunded_at_stripe(stripe: StripeServer, payment: Payment, cents: int, status: str = "succeeded") -> dict[str, Any]:
    made = stripe.make("refund", "re_", payment_intent=payment.intent_id, amount=cents, status=status, currency="usd")
    tell(stripe, "refund.created", made)
    return made


def fails(stripe: StripeServer, refund: dict[str, Any]) -> None:
    refund.update(status="failed", failure_reason="closed account")
    tell(stripe, "refund.updated", refund)


def kept_as_credit(payment: Payment, amount: str) -> None:
    invoice = Invoice.objects.get(pk=payment.invoice_id)
    issue_credit_note(invoice.pk, chosen_amounts(invoice, None, Decimal(amount)), "an outage", "balance", OPS, NOW)


def bought(stripe: StripeServer, workspace: Workspace, amount: str = "40.00") -> Payment:
    with_method(workspace, stripe)
    purchase.buy_credit(workspace, Decimal(amount), purchase.SAVED, "a-key", OPS, NOW)
    return Payment.objects.get()


def credit_of(workspace: Workspace) -> Decimal:
    return sum((each.left for each in ledger.remaining_grants(workspace)), NOTHING)


def account(workspace: Workspace, name: JournalAccount) -> Decimal:
    return balance_of_account(workspace.pk, name, "USD")


def came_back(payment: Payment) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """What was refunded, is kept as credit, was charged back and is owed again."""
    payment.refresh_from_db()
    return payment.refunded, payment.kept, payment.charged_back, payment.reopened


def test_kept_credit_of_a_won_dispute_is_the_refunds_that_was_heard_of_first(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    kept_as_credit(paid, "60.00")
    dispute = disputed(stripe, paid)
    assert (Dispute.objects.get().credit_blocked, credit_of(acme)) == (Decimal("60.00"), NOTHING)
    made = refunded_at_stripe(stripe, paid, 15000)
    ends(stripe, dispute, "won")
    assert (came_back(paid), credit_of(acme)) == ((Decimal("150.00"), NOTHING, NOTHING, NOTHING), NOTHING)
    assert (Refund.objects.get().credit_taken, Dispute.objects.get().credit_blocked) == (Decimal("60.00"), NOTHING)
    assert account(acme, JournalAccount.REFUNDED_AHEAD) == Decimal("90.00")
    assert (owed_to(acme).total, money_differences()) == (NOTHING, [])
    # Should the refund fail it is the customer's credit as before.
    fails(stripe, made)
    assert (came_back(paid), credit_of(acme)) == ((NOTHING, Decimal("60.00"), NOTHING, NOTHING), Decimal("60.00"))
    assert (account(acme, JournalAccount.REFUNDED_AHEAD), money_differences()) == (NOTHING, [])


def test_of_a_part_refunded_the_rest_of_the_kept_credit_comes_back(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    kept_as_credit(paid, "60.00")
    dispute = disputed(stripe, paid)
    refunded_at_stripe(stripe, paid, 11000)
    ends(stripe, dispute, "won")
    assert (came_back(paid), credit_of(acme)) == ((Decimal("110.00"), Decimal("40.00"), NOTHING, NOTHING), Decimal("40.00"))
    assert money_differences() == []


def test_bought_credit_of_a_won_dispute_is_the_refunds_that_was_heard_of_first(stripe: StripeServer, acme: Workspace) -> None:
    payment = bought(stripe, acme)
    dispute = disputed(stripe, payment)
    made = refunded_at_stripe(stripe, payment, 4000)
    ends(stripe, dispute, "won")
    assert (came_back(payment), credit_of(acme)) == ((Decimal("40.00"), NOTHING, NOTHING, NOTHING), NOTHING)
    assert account(acme, JournalAccount.REFUNDED_AHEAD) == account(acme, JournalAccount.OWED_TO_CUSTOMER) == NOTHING
    assert money_differences() == []
    fails(stripe, made)
    assert (came_back(payment), credit_of(acme)) == ((NOTHING, NOTHING, NOTHING, NOTHING), Decimal("40.00"))
    assert money_differences() == []


def test_kept_credit_of_an_impossible_refund_is_the_refunds_at_stripe(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    kept_as_credit(paid, "60.00")
    stripe.fail_at(1, "die_before")
    close_for_good(acme, "moves away", "refund", OPS, NOW)
    ours = Refund.objects.get()
    assert (ours.status, ours.amount, ours.credit_taken) == ("started", Decimal("60.00"), Decimal("60.00"))
    refunded_at_stripe(stripe, paid, 15000)
    refunds.recover_refunds(NOW)
    ours.refresh_from_db()
    assert (ours.status, came_back(paid), credit_of(acme)) == (
        "failed",
        (Decimal("150.00"), NOTHING, NOTHING, NOTHING),
        NOTHING,
    )
    assert money_differences() == []


def test_a_refund_at_stripe_that_fails_owes_nothing_again_though_no_invoice_was_due(
    stripe: StripeServer, acme: Workspace
) -> None:
    payment = bought(stripe, acme)
    dispute = disputed(stripe, payment)
    made = refunded_at_stripe(stripe, payment, 4000)
    assert came_back(payment) == (Decimal("40.00"), NOTHING, NOTHING, Decimal("40.00"))
    fails(stripe, made)
    ends(stripe, dispute, "won")
    assert (came_back(payment), credit_of(acme)) == ((NOTHING, NOTHING, NOTHING, NOTHING), Decimal("40.00"))


def test_credit_of_a_dispute_whose_money_another_one_took_stays_away(stripe: StripeServer, acme: Workspace) -> None:
    """The bank took the money under another id: the dispute that ran has nothing to lose any more."""
    payment = bought(stripe, acme)
    first = disputed(stripe, payment)
    ends(stripe, disputed(stripe, payment), "lost")
    ends(stripe, first, "lost")
    assert (came_back(payment), credit_of(acme)) == ((NOTHING, NOTHING, Decimal("40.00"), NOTHING), NOTHING)
    assert (account(acme, JournalAccount.CHARGEBACKS), unplaced_amounts(), money_differences()) == (NOTHING, {}, [])


def test_a_lost_dispute_that_a_surplus_bore_takes_no_credit_of_a_failed_refund(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    intent = stripe.make("payment_intent", "pi_", amount=10000, amount_received=10000, currency="usd", status="succeeded")
    found = Intent(id=intent["id"], status="succeeded", amount=Decimal("100.00"), currency="USD", received=Decimal("100.00"))
    surplus = record_payment(PaymentAttempt.objects.get(), found, NOW)
    first = refunds.refund(surplus.pk, Decimal("40.00"), "asked for", OPS, NOW)
    kept = keep_surplus_as_credit(surplus.pk, "asked for", OPS, NOW)
    second = refunds.refund(surplus.pk, Decimal("20.00"), "asked for", OPS, NOW)
    assert (kept.amount, second.credit_taken) == (Decimal("60.00"), Decimal("20.00"))
    fails(stripe, stripe.objects[str(first.stripe_id)])
    dispute = stripe.dispute(intent["id"])
    dispute["amount"] = 8000
    tell(stripe, "charge.dispute.created", dispute)
    ends(stripe, dispute, "lost")
    assert (credit_of(acme), Dispute.objects.get().credit_blocked) == (NOTHING, Decimal("40.00"))
    fails(stripe, stripe.objects[str(second.stripe_id)])
    assert (credit_of(acme), came_back(surplus)) == (Decimal("20.00"), (NOTHING, NOTHING, Decimal("80.00"), NOTHING))
    assert (account(acme, JournalAccount.CHARGEBACKS), money_differences()) == (NOTHING, [])
