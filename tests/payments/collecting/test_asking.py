"""When Stripe is asked, and asked again, and no longer: counted from the call that was made, decided by what is stored then."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from metering.invoicing.models import Invoice
from metering.payments.collecting import saved_method
from metering.payments.collecting.attempts import begin_for_invoice, recover_attempts, sync_attempt
from metering.payments.collecting.collect import collect_due, collect_invoice
from metering.payments.models import Payment, PaymentAttempt, Refund
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.refunds import refunds
from metering.payments.stripe.client import StripeEdge
from metering.payments.stripe.requests import attempt_metadata
from metering.payments.webhooks.inbox import handle_waiting
from tests.kit.billing import Meter, an_invoice
from tests.kit.factories import NOW
from tests.kit.paying import send_event, with_method
from tests.kit.stripe_server import DECLINED, GOOD, HALF_WAY, UNCONFIRMED, StripeServer
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def die(*_: Any) -> None:
    raise KeyboardInterrupt


def made(stripe: StripeServer) -> int:
    return len([each for each in stripe.requests if (each.method, each.path) == ("POST", "/v1/payment_intents")])


def test_ten_minutes_are_counted_from_the_call_that_failed(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    account = with_method(acme, stripe)
    begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, NOW)  # killed before Stripe was asked
    stripe.fail_at(1, "error_500_before")
    recover_attempts(NOW + 15 * MINUTE)  # asked for the first time
    attempt = invoice.attempts.get()
    assert (attempt.status, attempt.asked_at, attempt.key_spent) == ("started", NOW + 15 * MINUTE, True)
    assert recover_attempts(NOW + 24 * MINUTE)["waiting"] == 1
    assert recover_attempts(NOW + 25 * MINUTE)["settled"] == 1
    assert (invoice.attempts.get().status, made(stripe)) == ("canceled", 1)


def test_a_charge_that_comes_to_its_end_late_is_the_only_one(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    account = with_method(acme, stripe)
    attempt = begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, NOW)
    stripe.fail_at(1, "error_500_before")
    recover_attempts(NOW + 15 * MINUTE)
    collect_due(NOW + 15 * MINUTE)
    late = stripe.make(
        "payment_intent",
        "pi_",
        amount=15000,
        currency="usd",
        customer=account.customer_id,
        payment_method=account.method_id,
        metadata=attempt_metadata(attempt),
        last_payment_error=None,
        latest_charge=None,
    )
    stripe.pay(late, GOOD)
    assert recover_attempts(NOW + 25 * MINUTE)["settled"] == 1
    collect_due(NOW + 26 * MINUTE)
    assert [each["id"] for each in stripe.succeeded()] == [late["id"]]
    assert Payment.objects.get().intent_id == late["id"]


def test_a_refunds_ten_minutes_are_counted_from_the_call_that_failed(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    refunds.begin_refund(Payment.objects.get().pk, Decimal("50.00"), "x", "ops", NOW)  # killed before Stripe was asked
    stripe.fail_at(2, "error_500_before")  # after the listing
    assert refunds.recover_refunds(NOW + HOUR)["unavailable"] == 1
    assert refunds.recover_refunds(NOW + HOUR + 9 * MINUTE)["waiting"] == 1
    asked = [each.key for each in stripe.requests if (each.method, each.path) == ("POST", "/v1/refunds")]
    assert len(asked) == 1
    assert refunds.recover_refunds(NOW + HOUR + 10 * MINUTE)["settled"] == 1
    assert [each["amount"] for each in stripe.of("refund")] == [5000]


def test_a_run_that_began_long_ago_charges_nothing_that_was_given_up(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    account = with_method(acme, stripe)
    begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, NOW)
    seen = PaymentAttempt.objects.get()
    stripe.fail_at(1, "error_500_before")
    recover_attempts(NOW)
    recover_attempts(NOW + 10 * MINUTE)  # not asked any more
    collect_due(NOW + 10 * MINUTE)  # and paid by the next
    stripe.prune_keys()
    assert sync_attempt(seen, NOW + 5 * MINUTE).status == "canceled"
    saved_method.sync_charge(seen, NOW + 5 * MINUTE)  # though it had looked just before
    assert len(stripe.succeeded()) == 1


def test_two_recoveries_at_once_ask_once(stripe: StripeServer, acme: Workspace, invoice: Invoice, monkeypatch: Any) -> None:
    account = with_method(acme, stripe)
    begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, NOW)
    ask, within = StripeEdge.charge_saved_method, []

    def slow(self: StripeEdge, *asked: Any) -> Any:
        within.append(recover_attempts(NOW + MINUTE))  # another worker, while this one is asking
        return ask(self, *asked)

    monkeypatch.setattr(StripeEdge, "charge_saved_method", slow)
    assert recover_attempts(NOW)["settled"] == 1
    assert within == [{"settled": 0, "waiting": 1, "unavailable": 0, "failed": 0}]
    assert made(stripe) == 1


@pytest.mark.django_db(transaction=True)
def test_four_recoveries_at_once_ask_once(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    account = with_method(acme, stripe)
    begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, NOW)

    def work(_: int) -> None:
        try:
            recover_attempts(NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert (made(stripe), len(stripe.succeeded()), Payment.objects.count()) == (1, 1, 1)


def test_who_dies_while_asking_leaves_it_to_the_next(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, monkeypatch: Any
) -> None:
    account = with_method(acme, stripe)
    begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, NOW)
    with monkeypatch.context() as patched:
        patched.setattr(StripeEdge, "charge_saved_method", die)
        with pytest.raises(KeyboardInterrupt):
            recover_attempts(NOW)
    assert recover_attempts(NOW + MINUTE)["waiting"] == 1
    assert recover_attempts(NOW + 5 * MINUTE)["settled"] == 1
    assert len(stripe.succeeded()) == 1


def test_the_clock_is_read_for_each_row(stripe: StripeServer, acme: Workspace, invoice: Invoice, use: Meter) -> None:
    with_method(acme, stripe)
    second = an_invoice(acme, use, "08")
    for each in (invoice, second):
        stripe.fail_at(1, "die_before")
        stripe.fail_at(2, "die_before")
        with pytest.raises(ProviderUnavailable):
            collect_invoice(each.pk, NOW)
    times = iter([NOW + HOUR, NOW + 2 * HOUR])
    recover_attempts(lambda: next(times))
    assert [each.attempts.get().asked_at for each in (invoice, second)] == [NOW + HOUR, NOW + 2 * HOUR]


def test_a_payment_that_awaits_its_owner_is_canceled_before_it_is_called_declined(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    account = with_method(acme, stripe, UNCONFIRMED)
    assert collect_due(NOW)["declined"] == 1
    (first,) = stripe.of("payment_intent")
    attempt = invoice.attempts.get()
    message = "The bank asks you to confirm this payment: pay on the payment page instead."
    assert (first["status"], attempt.code, attempt.message) == ("canceled", "authentication_required", message)
    account.method_id = stripe.save_method(str(account.customer_id))
    account.save()
    collect_invoice(invoice.pk, NOW + 3 * DAY)
    assert [each["amount"] for each in stripe.succeeded()] == [15000]


def test_a_declined_payment_cannot_be_paid_later(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    assert [each["status"] for each in stripe.of("payment_intent")] == ["canceled"]
    assert invoice.attempts.values_list("status", "code").get() == ("declined", "insufficient_funds")


def test_a_decline_whose_canceling_is_not_answered_stays_a_decline(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe, DECLINED)
    stripe.fail_at(2, "die_after")
    assert collect_due(NOW)["failed"] == 1
    assert invoice.attempts.get().status == "started"
    assert stripe.of("payment_intent")[0]["status"] == "canceled"
    recover_attempts(NOW + 5 * MINUTE)
    assert invoice.attempts.values_list("status", "code").get() == ("declined", "insufficient_funds")


def test_a_payment_that_went_through_before_it_was_canceled_is_a_payment(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, monkeypatch: Any
) -> None:
    with_method(acme, stripe, UNCONFIRMED)
    cancel = StripeEdge.cancel_payment

    def too_late(self: StripeEdge, intent: str) -> Any:
        stripe.pay(stripe.objects[intent], GOOD)  # its owner did it just now
        return cancel(self, intent)

    monkeypatch.setattr(StripeEdge, "cancel_payment", too_late)
    assert collect_due(NOW)["succeeded"] == 1
    invoice.refresh_from_db()
    assert (invoice.status, invoice.attempts.values_list("status", "code").get()) == ("paid", ("succeeded", ""))


def test_a_payment_left_half_way_is_canceled_and_another_begun(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    account = with_method(acme, stripe, HALF_WAY)
    stripe.fail_at(1, "error_500_after")
    collect_due(NOW)
    assert recover_attempts(NOW + 5 * MINUTE)["waiting"] == 1  # it may still be in progress there
    assert recover_attempts(NOW + 10 * MINUTE)["settled"] == 1
    assert [each["status"] for each in stripe.of("payment_intent")] == ["canceled"]
    account.method_id = stripe.save_method(str(account.customer_id))
    account.save()
    assert collect_due(NOW + 10 * MINUTE)["succeeded"] == 1
    assert list(invoice.attempts.order_by("number").values_list("status", flat=True)) == ["canceled", "succeeded"]


def test_a_payment_of_an_attempt_that_was_given_up_is_called_off(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    account = with_method(acme, stripe, UNCONFIRMED)
    attempt = begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, NOW)
    PaymentAttempt.objects.update(status="canceled")
    late = stripe.make(
        "payment_intent",
        "pi_",
        amount=15000,
        currency="usd",
        customer=account.customer_id,
        payment_method=account.method_id,
        metadata=attempt_metadata(attempt),
        last_payment_error=None,
    )
    stripe.pay(late, UNCONFIRMED)
    send_event(stripe, "payment_intent.requires_action", late)
    handle_waiting(NOW)
    assert late["status"] == "canceled"


def test_a_refund_asked_for_by_two_is_made_once(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, monkeypatch: Any
) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    refunds.begin_refund(Payment.objects.get().pk, Decimal("50.00"), "x", "ops", NOW)
    ask = StripeEdge.refund_payment

    def slow(self: StripeEdge, *asked: Any) -> Any:
        assert refunds.recover_refunds(NOW + MINUTE)["waiting"] == 1
        return ask(self, *asked)

    monkeypatch.setattr(StripeEdge, "refund_payment", slow)
    assert refunds.recover_refunds(NOW)["settled"] == 1
    assert Refund.objects.values_list("status", "amount").get() == ("succeeded", Decimal("50.00"))
