"""The webhook inbox: only what Stripe signed, each event once, in any order, however late, and nothing lost."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from metering.errors import NothingToCredit
from metering.invoicing.models import Invoice
from metering.payments.accounts.customers import account_of
from metering.payments.accounts.methods import setup_page
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.collecting.collect import collect_due, payment_page
from metering.payments.models import Dispute, Payment, PaymentAccount, PaymentAttempt, Refund
from metering.payments.refunds import refunds
from metering.payments.webhooks import inbox
from metering.payments.webhooks.inbox import handle_waiting, replay_webhook
from metering.payments.webhooks.models import WebhookEvent
from metering.reconcile.everything import money_differences
from tests.kit.factories import NOW
from tests.kit.paying import WEBHOOKS, deliver, send_event, with_method
from tests.kit.stripe_server import BANK, StripeServer
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def test_an_event_is_stored_once_and_answered_at_once(stripe: StripeServer) -> None:
    event = stripe.event("payment_intent.succeeded", {"id": "pi_1"})
    body, signature = stripe.signed(event)
    assert (deliver(body, signature).status_code, deliver(body, signature).json()["new"]) == (200, False)
    stored = WebhookEvent.objects.get()
    assert (stored.type, stored.object_id, stored.status) == ("payment_intent.succeeded", "pi_1", "waiting")
    assert stripe.requests == []


@pytest.mark.parametrize("signature", ["", "t=1,v1=0", "nonsense"])
def test_what_stripe_did_not_sign_is_refused_and_not_stored(stripe: StripeServer, signature: str) -> None:
    answer = deliver(b'{"id": "evt_1"}', signature)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_signature")
    assert WebhookEvent.objects.count() == 0


def test_what_was_signed_long_ago_or_with_another_secret_is_refused(stripe: StripeServer) -> None:
    event = stripe.event("payment_intent.succeeded", {"id": "pi_1"})
    assert deliver(*stripe.signed(event, at=int(time.time()) - 301)).status_code == 400
    assert deliver(*stripe.signed(event, "whsec_stolen")).status_code == 400
    assert deliver(*stripe.signed({"id": 7, "type": None})).status_code == 400
    assert WebhookEvent.objects.count() == 0


def test_without_a_secret_there_are_no_webhooks() -> None:
    answer = deliver(b"{}", "t=1,v1=0")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stripe_not_configured")


def test_only_posts(stripe: StripeServer) -> None:
    assert Client().get(WEBHOOKS).status_code == 405


def test_a_payment_is_recorded_from_what_stripe_says_now(stripe: StripeServer, debit: dict[str, Any], invoice: Invoice) -> None:
    early = send_event(stripe, "payment_intent.succeeded", debit | {"status": "succeeded"})  # it claims more than is true
    assert handle_waiting(NOW) == {"handled": 1, "ignored": 0, "failed": 0}
    invoice.refresh_from_db()
    assert invoice.status == "open"
    stripe.settle(debit["id"])
    send_event(stripe, "payment_intent.processing", debit | {"status": "processing"})  # three days late, and out of order
    handle_waiting(LATER)
    invoice.refresh_from_db()
    assert (invoice.status, Payment.objects.get().amount) == ("paid", Decimal("150.00"))
    early.refresh_from_db()
    assert (early.status, early.handled_at) == ("handled", NOW)


def test_the_same_news_ten_times_is_one_payment(stripe: StripeServer, debit: dict[str, Any]) -> None:
    stripe.settle(debit["id"])
    for _ in range(10):
        send_event(stripe, "payment_intent.succeeded", debit)
    assert handle_waiting(LATER)["handled"] == 10
    recover_attempts(LATER)
    assert Payment.objects.count() == 1


def test_a_failed_debit_is_a_decline(stripe: StripeServer, debit: dict[str, Any]) -> None:
    stripe.settle(debit["id"], succeeded=False)
    send_event(stripe, "payment_intent.payment_failed", debit)
    handle_waiting(LATER)
    assert PaymentAttempt.objects.get().status == "declined"


def test_a_completed_page_pays_its_invoice(stripe: StripeServer, invoice: Invoice) -> None:
    payment_page(invoice, NOW)
    (session,) = stripe.of("checkout.session")
    stripe.complete(session["id"])
    send_event(stripe, "checkout.session.completed", {"id": session["id"], "mode": "payment"})
    handle_waiting(LATER)
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_a_completed_setup_saves_the_method(stripe: StripeServer, acme: Workspace) -> None:
    page = setup_page(acme, NOW)
    assert setup_page(acme, NOW) == page
    (session,) = stripe.of("checkout.session")
    stripe.complete(session["id"])
    send_event(stripe, "checkout.session.completed", {"id": session["id"], "mode": "setup"})
    handle_waiting(LATER)
    account = account_of(acme)
    assert (account.brand, account.last_four, account.expires_year) == ("visa", "4242", 2030)
    customer = stripe.objects[str(account.customer_id)]
    assert customer["invoice_settings"] == {"default_payment_method": account.method_id}


def test_a_detached_method_is_forgotten(stripe: StripeServer, acme: Workspace) -> None:
    account = with_method(acme, stripe)
    stripe.objects[account.method_id]["customer"] = None
    send_event(stripe, "payment_method.detached", {"id": account.method_id})
    handle_waiting(LATER)
    assert account_of(acme).method_id == ""


def test_unknown_kinds_and_strangers_payments_are_kept_and_ignored(stripe: StripeServer) -> None:
    send_event(stripe, "invoice.created", {"id": "in_1"})
    stranger = stripe.make("payment_intent", "pi_", status="succeeded", amount=100, currency="usd", customer=None)
    send_event(stripe, "payment_intent.succeeded", stranger)
    assert handle_waiting(NOW) == {"handled": 0, "ignored": 2, "failed": 0}
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"ignored"}
    assert Payment.objects.count() == 0


def test_a_failed_one_stays_visible_is_tried_again_and_can_be_replayed(
    stripe: StripeServer, debit: dict[str, Any], invoice: Invoice
) -> None:
    stripe.settle(debit["id"])
    event = send_event(stripe, "payment_intent.succeeded", debit)
    stripe.fail_at(1, "die_before")
    assert handle_waiting(NOW)["failed"] == 1
    event.refresh_from_db()
    assert (event.status, event.tries, event.error.partition(":")[0]) == ("failed", 1, "ProviderUnavailable")
    assert handle_waiting(NOW) == {"handled": 0, "ignored": 0, "failed": 0}  # not at once
    assert replay_webhook(event, "ops@omixa.example", NOW).status == "handled"
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert replay_webhook(event, "ops@omixa.example", LATER).status == "handled"
    assert Payment.objects.count() == 1


def test_a_failed_one_is_tried_again_by_itself(stripe: StripeServer, debit: dict[str, Any]) -> None:
    stripe.settle(debit["id"])
    send_event(stripe, "payment_intent.succeeded", debit)
    stripe.fail_at(1, "die_before")
    handle_waiting(NOW)
    assert handle_waiting(NOW + timedelta(minutes=1)) == {"handled": 1, "ignored": 0, "failed": 0}


def test_a_failing_one_is_never_given_up(stripe: StripeServer, debit: dict[str, Any], invoice: Invoice) -> None:
    stripe.settle(debit["id"])
    event = send_event(stripe, "payment_intent.succeeded", debit)
    WebhookEvent.objects.filter(pk=event.pk).update(status="failed", tries=40, next_try_at=NOW)
    stripe.fail_at(1, "die_before")
    assert handle_waiting(NOW)["failed"] == 1
    event.refresh_from_db()
    assert (event.tries, event.next_try_at) == (41, NOW + timedelta(hours=4))
    assert handle_waiting(NOW + timedelta(hours=4))["handled"] == 1
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_a_lease_begins_when_the_event_is_taken(stripe: StripeServer, monkeypatch: Any) -> None:
    """The second is taken six minutes after the run began; nobody else takes it then."""
    for number in range(2):
        send_event(stripe, "payment_intent.succeeded", {"id": f"pi_{number}"})
    clock, meanwhile = [NOW], []

    def slow(*_: Any) -> bool:
        meanwhile.append(handle_waiting(lambda: clock[0]) if clock[0] > NOW else None)
        clock[0] += timedelta(minutes=6)
        return True

    monkeypatch.setattr(inbox, "handle", slow)
    heard: list[tuple[int, int]] = []
    assert handle_waiting(lambda: clock[0], lambda done, total: heard.append((done, total)))["handled"] == 2
    assert meanwhile == [None, {"handled": 0, "ignored": 0, "failed": 0}]
    assert heard == [(1, 2), (2, 2)]


def test_refunds_and_disputes_are_kept_as_stripe_has_them(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    payment = Payment.objects.get()
    refund = refunds.refund(payment.pk, Decimal("20.00"), "too much", "ops", NOW)
    stripe.objects[str(refund.stripe_id)].update(status="failed", failure_reason="expired_or_canceled_card")
    send_event(stripe, "refund.failed", {"id": refund.stripe_id})
    dispute = stripe.dispute(str(payment.intent_id))
    send_event(stripe, "charge.dispute.created", dispute)
    handle_waiting(LATER)
    payment.refresh_from_db()
    assert (Refund.objects.get().status, payment.refunded) == ("failed", Decimal("0.00"))
    assert [(each.status, each.reason, each.amount) for each in Dispute.objects.all()] == [
        ("needs_response", "fraudulent", Decimal("150.00"))
    ]
    dispute["status"] = "lost"
    send_event(stripe, "charge.dispute.closed", dispute)
    handle_waiting(LATER)
    assert Dispute.objects.get().status == "lost"


def test_a_refund_made_at_stripe_itself_is_taken_in_once(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    payment = Payment.objects.get()
    made = stripe.make("refund", "re_", payment_intent=payment.intent_id, amount=3000, status="pending", metadata={})
    send_event(stripe, "refund.created", made)
    handle_waiting(LATER)
    refund = Refund.objects.get()
    assert (refund.status, refund.amount, refund.reason) == ("pending", Decimal("30.00"), "Refunded at Stripe")
    assert refunds.refundable_amount(payment) == Decimal("120.00")
    made["status"] = "succeeded"
    for kind in ("refund.updated", "charge.refund.updated", "refund.created"):
        send_event(stripe, kind, made)
    handle_waiting(LATER)
    payment.refresh_from_db()
    assert (Refund.objects.get().status, payment.refunded) == ("succeeded", Decimal("30.00"))
    with pytest.raises(NothingToCredit, match=r"120.00 of this payment are left"):
        refunds.refund(payment.pk, Decimal("120.01"), "all of it", "ops", LATER)
    assert money_differences() == []


def test_a_refund_of_a_payment_that_is_not_ours_is_ignored(stripe: StripeServer) -> None:
    strange = stripe.make("payment_intent", "pi_", status="succeeded", amount=100, currency="usd", customer=None)
    made = stripe.make("refund", "re_", payment_intent=strange["id"], amount=1, status="succeeded", metadata={})
    event = send_event(stripe, "refund.created", made)
    handle_waiting(LATER)
    event.refresh_from_db()
    assert (event.status, Refund.objects.count()) == ("ignored", 0)


def test_a_card_that_only_says_the_same_again_does_not_restart_top_ups(stripe: StripeServer, acme: Workspace) -> None:
    account = with_method(acme, stripe)
    method = stripe.objects[account.method_id]
    method["card"].update(last4="4242", exp_year=2027, exp_month=1)
    PaymentAccount.objects.update(top_ups_stopped_at=NOW, top_up_stopped="Declined.", expires_year=2027, expires_month=1)
    send_event(stripe, "payment_method.updated", method)
    handle_waiting(LATER)
    assert (account_of(acme).top_ups_stopped_at, account_of(acme).top_up_stopped) == (NOW, "Declined.")
    method["card"].update(exp_year=2031)
    send_event(stripe, "payment_method.automatically_updated", method)
    handle_waiting(LATER)
    renewed = account_of(acme)
    assert (renewed.top_ups_stopped_at, renewed.top_up_stopped, renewed.expires_year) == (None, "", 2031)


@pytest.mark.django_db(transaction=True)
def test_deliveries_and_workers_at_once_make_one_payment(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, BANK)
    collect_due(NOW)
    (intent,) = stripe.of("payment_intent")
    stripe.settle(intent["id"])
    event = stripe.event("payment_intent.succeeded", intent)

    def work(_: int) -> int:
        try:
            status = deliver(*stripe.signed(event)).status_code
            handle_waiting(LATER)
            recover_attempts(LATER)
            return int(status)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [200] * 4
    assert (WebhookEvent.objects.count(), Payment.objects.count()) == (1, 1)
