"""Of one payment never more goes back than came: as refunds here and at Stripe, as credit, and by transfer."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.errors import NothingToCredit
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.models import Payment, Refund
from metering.payments.refunds import refunds
from metering.payments.refunds.reversals import issue_credit_note
from metering.payments.top_ups import purchase
from metering.payments.webhooks.inbox import handle_waiting
from metering.reconcile.everything import money_differences
from metering.reconcile.journal import journal_differences
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from tests.kit.paying import send_event, with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"


def bought(stripe: StripeServer, workspace: Workspace, amount: str = "50.00") -> Payment:
    with_method(workspace, stripe)
    purchase.buy_credit(workspace, Decimal(amount), purchase.SAVED, "a-key", "ops", NOW)
    return Payment.objects.get()


def refund_at_stripe(stripe: StripeServer, payment: Payment, cents: int, status: str = "succeeded") -> dict[str, Any]:
    made = stripe.make("refund", "re_", payment_intent=payment.intent_id, amount=cents, status=status, metadata={})
    send_event(stripe, "refund.created", made)
    handle_waiting(NOW)
    return made


def credit_of(workspace: Workspace) -> Decimal:
    return sum((each.left for each in ledger.remaining_grants(workspace)), Decimal("0.00"))


def noted(payment: Payment, settlement: str, amount: str = "150.00", **more: Any) -> CreditNote:
    invoice = payment.invoice
    assert invoice is not None
    amounts = {invoice.lines.get().public_id: Decimal(amount)}
    return issue_credit_note(invoice.pk, amounts, "an outage", settlement, OPS, NOW, **more)


@pytest.mark.parametrize("by", ["bank", "refund"])
def test_a_refund_that_was_not_made_yet_is_no_money_out_where_it_went_otherwise(
    stripe: StripeServer, paid: Payment, by: str
) -> None:
    stripe.fail_at(1, "error_500_before")
    waiting = refunds.refund(paid.pk, Decimal("100.00"), "an outage", OPS, NOW)
    if by == "bank":
        send_event(stripe, "charge.dispute.created", stripe.dispute(str(paid.intent_id)))
        handle_waiting(NOW)
    else:
        refund_at_stripe(stripe, paid, 15000)
    assert (waiting.status, list(journal_differences())) == ("started", [])
    assert refunds.recover_refunds(NOW) == {"settled": 1, "waiting": 0, "unavailable": 0, "failed": 0}
    waiting.refresh_from_db()
    assert (waiting.status, list(journal_differences())) == ("failed", [])


@pytest.mark.parametrize("kind", ["refund.created", "charge.refunded"])
def test_a_refund_at_stripe_of_which_is_heard_before_its_payment_brings_the_payment_along(
    stripe: StripeServer, debit: dict[str, Any], invoice: Invoice, kind: str
) -> None:
    made = stripe.make(
        "refund", "re_", payment_intent=debit["id"], amount=4000, status="succeeded", currency="usd", metadata={}
    )
    about = made if kind == "refund.created" else {"id": "ch_1", "object": "charge", "payment_intent": debit["id"]}
    event = send_event(stripe, kind, about)
    assert handle_waiting(NOW)["failed"] == 1, "the debit has not come through"
    stripe.settle(debit["id"])
    assert handle_waiting(NOW + timedelta(hours=1))["handled"] == 1
    event.refresh_from_db()
    payment, refund = Payment.objects.get(), Refund.objects.get()
    assert (event.status, payment.amount, payment.refunded, refund.amount) == (
        "handled",
        Decimal("150.00"),
        Decimal("40.00"),
        Decimal("40.00"),
    )
    send_event(stripe, "payment_intent.succeeded", debit)
    handle_waiting(NOW + timedelta(hours=1))
    assert (Payment.objects.count(), Refund.objects.count()) == (1, 1)
    assert (list(journal_differences()), money_differences()) == ([], [])


def test_a_top_up_refunded_at_stripe_while_ours_waits_gives_money_back_and_no_credit(
    stripe: StripeServer, acme: Workspace
) -> None:
    payment = bought(stripe, acme)
    stripe.fail_at(1, "die_before")
    assert refunds.refund(payment.pk, Decimal("50.00"), "not needed", OPS, NOW).status == "started"
    refund_at_stripe(stripe, payment, 5000)
    refunds.recover_refunds(NOW)
    payment.refresh_from_db()
    assert sorted(Refund.objects.values_list("status", "credit_taken")) == [
        ("failed", Decimal("50.00")),
        ("succeeded", Decimal("50.00")),
    ]
    assert (payment.refunded, payment.reopened, credit_of(acme)) == (Decimal("50.00"), Decimal("0.00"), Decimal("0.00"))
    assert money_differences() == []


def test_one_refunded_in_part_at_stripe_while_ours_waits_keeps_the_credit_of_the_rest(
    stripe: StripeServer, acme: Workspace
) -> None:
    payment = bought(stripe, acme)
    stripe.fail_at(1, "die_before")
    refunds.refund(payment.pk, Decimal("40.00"), "not needed", OPS, NOW)
    refund_at_stripe(stripe, payment, 3000)
    refunds.recover_refunds(NOW)
    payment.refresh_from_db()
    assert (payment.refunded, credit_of(acme)) == (Decimal("30.00"), Decimal("20.00"))
    assert money_differences() == []


@pytest.mark.parametrize("status", ["succeeded", "pending"])
def test_what_stripe_gave_back_already_is_taken_in_before_it_is_asked_for_more(
    stripe: StripeServer, acme: Workspace, paid: Payment, status: str
) -> None:
    noted(paid, "balance", "50.00")
    stripe.make("refund", "re_", payment_intent=paid.intent_id, amount=6000, status=status, metadata={})  # no event yet
    made = refunds.refund(paid.pk, Decimal("60.00"), "asked for", OPS, NOW)
    assert (made.status, made.message) == ("failed", "20.00 of it went back at Stripe meanwhile")
    assert [(each["amount"], each["status"]) for each in stripe.of("refund")] == [(6000, status)]
    assert (refunds.refundable_amount(Payment.objects.get()), credit_of(acme)) == (Decimal("40.00"), Decimal("50.00"))
    assert refunds.refund(paid.pk, Decimal("40.00"), "asked for", OPS, NOW).status == "succeeded"
    assert (list(journal_differences()), money_differences()) == ([], [])


@pytest.mark.parametrize("status", ["succeeded", "pending"])
@pytest.mark.parametrize(("left", "taken", "owed"), [("50.00", "20.00", "0.00"), ("0.00", "0.00", "20.00")])
def test_a_refund_that_was_made_beside_one_at_stripe_takes_credit_back_and_is_owed_for_the_rest(
    stripe: StripeServer, acme: Workspace, paid: Payment, status: str, left: str, taken: str, owed: str
) -> None:
    noted(paid, "balance", "50.00")
    if left == "0.00":
        ledger.write_off(CreditGrant.objects.get(), NOW)
    stripe.fail_at(2, "die_after")
    assert refunds.refund(paid.pk, Decimal("60.00"), "asked for", OPS, NOW).status == "started"
    theirs = refund_at_stripe(stripe, paid, 6000, status)
    assert refunds.recover_refunds(NOW)["settled"] == 1
    theirs["status"] = "succeeded"
    send_event(stripe, "refund.updated", theirs)
    handle_waiting(NOW)
    payment = Payment.objects.get()
    ours = Refund.objects.get(origin=Refund.Origin.REQUESTED)
    assert (payment.refunded, payment.kept, payment.reopened) == (
        Decimal("120.00"),
        Decimal("50.00") - Decimal(taken),
        Decimal(owed),
    )
    assert (ours.status, ours.credit_taken, ours.excess) == ("succeeded", Decimal(taken), Decimal(owed))
    assert credit_of(acme) == Decimal(left) - Decimal(taken)
    assert Invoice.objects.get().amount_due == Decimal(owed)
    assert (list(journal_differences()), money_differences()) == ([], [])


@pytest.mark.parametrize(("settlement", "more"), [("balance", {}), ("outside", {"reference": "transfer 18"})])
def test_a_payment_whose_invoice_was_credited_is_not_refunded_again(
    stripe: StripeServer, acme: Workspace, paid: Payment, settlement: str, more: dict[str, str]
) -> None:
    noted(paid, settlement, **more)
    with pytest.raises(NothingToCredit, match=r"0\.00 of this payment are left to give back"):
        refunds.refund(paid.pk, Decimal("150.00"), "again", OPS, NOW)
    assert stripe.of("refund") == []
    assert credit_of(acme) == (Decimal("150.00") if settlement == "balance" else Decimal("0.00"))


def test_of_one_credited_in_part_the_rest_is_left(stripe: StripeServer, paid: Payment) -> None:
    noted(paid, "balance", "40.00")
    noted(paid, "outside", "60.00", reference="transfer 18")
    assert refunds.refundable_amount(Payment.objects.get()) == Decimal("50.00")
    assert refunds.refund(paid.pk, Decimal("50.00"), "again", OPS, NOW).status == "succeeded"


def test_what_was_kept_as_credit_and_is_refunded_at_stripe_is_no_credit_any_more(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    noted(paid, "balance")
    refund_at_stripe(stripe, paid, 15000)
    paid.refresh_from_db()
    assert (paid.refunded, paid.kept, paid.reopened) == (Decimal("150.00"), Decimal("0.00"), Decimal("0.00"))
    assert credit_of(acme) == Decimal("0.00")


def test_a_refund_at_stripe_that_fails_later_gives_the_kept_credit_back(
    stripe: StripeServer, acme: Workspace, paid: Payment
) -> None:
    noted(paid, "balance")
    made = refund_at_stripe(stripe, paid, 15000)
    stripe.objects[made["id"]].update(status="failed")
    send_event(stripe, "refund.failed", made)
    handle_waiting(NOW)
    paid.refresh_from_db()
    assert (paid.refunded, paid.kept, credit_of(acme)) == (Decimal("0.00"), Decimal("150.00"), Decimal("150.00"))


def test_what_was_given_back_by_transfer_and_at_stripe_too_is_reopened(stripe: StripeServer, paid: Payment) -> None:
    noted(paid, "outside", "100.00", reference="transfer 18")
    refund_at_stripe(stripe, paid, 15000)
    paid.refresh_from_db()
    invoice = Invoice.objects.get()
    assert (paid.refunded, paid.reopened) == (Decimal("250.00"), Decimal("100.00"))
    assert (invoice.status, invoice.amount_due, invoice.charged_back) == ("open", Decimal("100.00"), Decimal("100.00"))
    assert money_differences() == []


def test_the_database_refuses_a_second_refund(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    refunds.begin_refund(paid.pk, Decimal("100.00"), "x", OPS, NOW)
    with (
        pytest.raises(IntegrityError, match=r"refunds of 160\.00 would be more than the 150\.00 that stayed"),
        transaction.atomic(),
    ):
        Refund.objects.create(payment=paid, amount=Decimal("60.00"), idempotency_key="second", started_at=NOW, started_by="x")
    with pytest.raises(IntegrityError, match="no_more_goes_back_than_came"), transaction.atomic():
        Payment.objects.update(refunded=Decimal("100.00"), kept=Decimal("50.01"))


def test_a_refund_says_whether_it_was_made_at_the_provider(stripe: StripeServer, paid: Payment) -> None:
    refunds.begin_refund(paid.pk, Decimal("100.00"), "x", OPS, NOW)
    refund_at_stripe(stripe, paid, 15000)
    assert list(Refund.objects.order_by("pk").values_list("origin", "amount")) == [
        ("requested", Decimal("100.00")),
        ("provider", Decimal("150.00")),
    ]
    assert [each.amount for each in Refund.objects.external()] == [Decimal("150.00")]


def test_refunds_of_before_say_it_too(stripe: StripeServer, paid: Payment) -> None:
    refunds.refund(paid.pk, Decimal("10.00"), "x", OPS, NOW)
    refund_at_stripe(stripe, paid, 15000)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come cannot be altered
    for name in ("0038_excess_of_refunds", "0039_origin_of_refunds"):
        MigrationExecutor(connection).migrate([("metering", name)])
    assert list(Refund.objects.order_by("pk").values_list("origin", flat=True)) == ["requested", "provider"]


@pytest.mark.django_db(transaction=True)
def test_a_refund_and_a_credit_note_at_once_give_back_what_came(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    acts = [
        lambda: noted(paid, "balance", "100.00"),
        lambda: refunds.refund(paid.pk, Decimal("100.00"), "x", OPS, NOW),
        lambda: noted(paid, "outside", "100.00", reference="t"),
    ]
    at_once(*acts)
    paid.refresh_from_db()
    assert paid.refunded + paid.kept == Decimal("100.00")
    assert money_differences() == []


def test_a_failed_page_leaves_nothing(stripe: StripeServer, acme: Workspace, paid: Payment) -> None:
    recover_attempts(NOW)
    assert refunds.refundable_amount(paid) == Decimal("150.00")
