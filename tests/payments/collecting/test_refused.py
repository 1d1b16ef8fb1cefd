"""What Stripe refuses because we asked wrongly is ours to put right: no decline, no mail, and no hold-up of others.

It ends what was asked for: nothing is left that could be charged later, beside what is done instead.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import override_settings
from rest_framework.test import APIClient

from metering.errors import PaymentInProgress
from metering.invoicing.models import Invoice
from metering.jobs.models import JobRun
from metering.payments.collecting import attempts
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.collecting.collect import collect_due, payment_page
from metering.payments.collecting.manual import mark_paid
from metering.payments.mails.models import Notice
from metering.payments.models import Dunning, Payment, PaymentAttempt, Refund
from metering.payments.provider.errors import ProviderRefused
from metering.payments.refunds import refunds
from metering.payments.tasks import collect_invoices, recover_payments
from metering.payments.top_ups import purchase
from tests.kit.billing import Meter, an_invoice
from tests.kit.factories import NOW, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, StripeServer
from workspaces.keys import issue
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
EXPIRED_KEY = {"message": "Expired API Key provided: sk_live_****1234"}
PAGES, CHARGES = "/v1/checkout/sessions", "/v1/payment_intents"


def client(workspace: Workspace) -> APIClient:
    _, secret = issue.create_key(workspace, "admin", "b", "tests", NOW)
    asking = APIClient(headers={"authorization": f"Bearer {secret}"})
    asking.raise_request_exception = False
    return asking


def asked(stripe: StripeServer, path: str) -> list[dict[str, Any]]:
    return [each.params for each in stripe.requests if (each.method, each.path) == ("POST", path)]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, EXPIRED_KEY),
        (403, {"message": "The provided key does not have the required permissions"}),
        (400, {"message": "The payment method type us_bank_account is invalid.", "param": "payment_method_types"}),
        (400, {"message": "Received unknown parameter: confirm", "code": "parameter_unknown"}),
    ],
)
def test_what_we_asked_wrongly_is_not_the_customers_decline(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, status: int, error: dict[str, str]
) -> None:
    with_method(acme, stripe)
    stripe.refuse(lambda method, path, _: path == CHARGES and method == "POST", status, **error)
    assert collect_due(NOW) == {"succeeded": 0, "processing": 0, "declined": 0, "failed": 1}
    attempt = invoice.attempts.get()
    assert (attempt.status, attempt.code) == ("canceled", error.get("code", "refused"))
    assert attempt.trouble.startswith(error["message"])
    assert (Dunning.objects.count(), Notice.objects.count()) == (0, 0)
    stripe.refusals.clear()
    assert recover_attempts(NOW + 5 * MINUTE) == {"settled": 0, "waiting": 0, "unavailable": 0, "failed": 0}
    assert [collect_due(NOW + minutes * MINUTE)["succeeded"] for minutes in (5, 59, 60)] == [0, 0, 1]
    assert [(each["amount"], each["status"]) for each in stripe.of("payment_intent")] == [(15000, "succeeded")]


def test_what_stripe_refused_holds_up_nothing_else(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, monkeypatch: Any
) -> None:
    with_method(acme, stripe)
    stripe.refuse(lambda method, path, _: path == CHARGES and method == "POST", 400, message="no")
    assert collect_due(NOW)["failed"] == 1
    assert invoice.attempts.get().asked_at is None  # nothing can come of it
    assert mark_paid(invoice.pk, "wire", "ops", NOW).status == "paid"
    assert invoice.attempts.values_list("status", "code").get() == ("canceled", "refused")


def test_what_may_still_come_of_an_earlier_call_is_waited_for(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    stripe.fail_at(1, "die_before")
    assert collect_due(NOW)["failed"] == 1  # for all we know it is on its way
    stripe.refuse(lambda method, path, _: path == CHARGES and method == "POST", 400, message="no")
    assert recover_attempts(NOW + 5 * MINUTE)["failed"] == 1
    assert invoice.attempts.get().asked_at == NOW
    with pytest.raises(PaymentInProgress):
        mark_paid(invoice.pk, "wire", "ops", NOW + 9 * MINUTE)
    assert mark_paid(invoice.pk, "wire", "ops", NOW + 10 * MINUTE).status == "paid"
    assert stripe.of("payment_intent") == []


def test_operators_hear_of_it_once(stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]
    with_method(acme, stripe)
    stripe.refuse(lambda *_: True, 401, **EXPIRED_KEY)
    collect_invoices()
    collect_invoices()
    assert list(JobRun.objects.order_by("pk").values_list("outcome", flat=True)) == ["attention", "succeeded"]
    assert [each.subject for each in mail.outbox] == ["Omixa billing: the job metering.collect_invoices left something undone"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "payment_method_unexpected_state", "message": "state"}, "payment_method_unexpected_state"),
        (
            {"message": "The provided PaymentMethod was detached from a Customer. It may not be used again."},
            "payment_method_detached",
        ),
    ],
)
def test_a_method_that_cannot_be_used_is_a_decline_in_our_words(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, error: dict[str, str], code: str
) -> None:
    with_method(acme, stripe)
    stripe.refuse(lambda method, path, _: path == CHARGES and method == "POST", 400, **error)
    assert collect_due(NOW)["declined"] == 1
    message = "The saved payment method cannot be used any more: save another one."
    assert invoice.attempts.values_list("status", "code", "message").get() == ("declined", code, message)
    assert Notice.objects.get().context["message"] == message


def test_a_customer_that_was_deleted_is_a_decline_and_one_of_another_account_is_not(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    account = with_method(acme, stripe)
    gone = {"code": "resource_missing", "param": "customer", "message": "No such customer"}
    kept = stripe.objects.pop(str(account.customer_id))  # as asked with the key of another account
    assert collect_due(NOW)["failed"] == 1
    assert (invoice.attempts.get().status, Dunning.objects.count()) == ("canceled", 0)
    stripe.objects[kept["id"]] = {**kept, "deleted": True}
    stripe.refuse(lambda method, path, _: path == CHARGES and method == "POST", 400, **gone)
    assert collect_due(NOW + 60 * MINUTE)["declined"] == 1
    assert (invoice.attempts.get(number=2).status, Dunning.objects.count()) == ("declined", 1)


def test_what_may_be_saved_and_charged_is_a_setting(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any
) -> None:
    settings.STRIPE_PAYMENT_METHODS = ["card"]
    with_method(acme, stripe)
    collect_due(NOW)
    assert asked(stripe, CHARGES)[0]["payment_method_types"] == {"0": "card"}


def test_one_refused_attempt_does_not_hold_up_the_others(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, use: Meter
) -> None:
    first = with_method(acme, stripe)
    beta = make_workspace("Beta", email="b@beta.example")
    second = an_invoice(beta, use)
    with_method(beta, stripe, BANK)
    stripe.refuse(lambda method, path, params: params.get("customer") == first.customer_id, 400, message="no")
    assert collect_due(NOW) == {"succeeded": 0, "processing": 1, "declined": 0, "failed": 1}
    stripe.settle(stripe.of("payment_intent")[0]["id"])
    assert recover_attempts(NOW + 10 * MINUTE) == {"settled": 1, "waiting": 0, "unavailable": 0, "failed": 0}
    second.refresh_from_db()
    assert second.status == "paid"


def test_one_refused_refund_does_not_hold_up_the_others(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, use: Meter
) -> None:
    with_method(acme, stripe)
    an_invoice(acme, use, "08")
    collect_due(NOW)
    one, two = Payment.objects.order_by("pk")
    for payment in (one, two):
        refunds.begin_refund(payment.pk, Decimal("5.00"), "x", "ops", NOW)
    stripe.refuse(lambda method, path, params: params.get("payment_intent") == one.intent_id, 404, message="none")
    assert refunds.recover_refunds(NOW + MINUTE) == {"settled": 1, "waiting": 0, "unavailable": 0, "failed": 1}
    two.refresh_from_db()
    assert two.refunded == Decimal("5.00")


def test_refunds_recover_when_attempts_cannot(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, monkeypatch: Any
) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    refunds.begin_refund(Payment.objects.get().pk, Decimal("5.00"), "x", "ops", NOW)

    def fail(_: Any) -> dict[str, int]:
        raise LookupError("attempts")

    fail.__module__ = "metering.payments.collecting.attempts"
    monkeypatch.setattr(attempts, "recover_attempts", fail)
    assert recover_payments() == {"settled": 1, "waiting": 0, "unavailable": 0, "failed": 1}


def test_a_refund_fails_only_when_it_can_never_be_made(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    payment = Payment.objects.get()
    stripe.refuse(lambda method, path, _: path == "/v1/refunds" and method == "POST", 401, **EXPIRED_KEY)
    waits = refunds.refund(payment.pk, Decimal("5.00"), "x", "ops", NOW)
    assert (waits.status, Refund.objects.get().trouble) == ("started", EXPIRED_KEY["message"])
    stripe.refusals.clear()
    assert refunds.recover_refunds(NOW + MINUTE)["settled"] == 1
    stripe.refuse(
        lambda method, path, _: path == "/v1/refunds" and method == "POST", 400, code="charge_disputed", message="Disputed."
    )
    failed = refunds.refund(payment.pk, Decimal("6.00"), "x", "ops", NOW)
    assert (failed.status, failed.message) == ("failed", "Disputed.")
    payment.refresh_from_db()
    assert payment.refunded == Decimal("5.00")


def test_more_than_is_left_at_stripe_fails_whatever_stripe_says(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    payment = Payment.objects.get()
    stripe.make("refund", "re_", payment_intent=payment.intent_id, amount=14000, status="succeeded")  # not reported yet
    stripe.refuse(
        lambda method, path, _: path == "/v1/refunds" and method == "POST",
        400,
        message="Refund amount ($20.00) is greater than unrefunded amount on charge ($10.00)",
    )
    assert refunds.refund(payment.pk, Decimal("20.00"), "x", "ops", NOW).status == "failed"
    assert refunds.refund(payment.pk, Decimal("10.00"), "x", "ops", NOW).status == "started"


def test_a_refund_key_that_was_used_otherwise_is_followed_by_another(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    begun = refunds.begin_refund(Payment.objects.get().pk, Decimal("5.00"), "x", "ops", NOW)
    stripe.answers[begun.idempotency_key] = ("another question", 200, {})
    assert refunds.recover_refunds(NOW)["failed"] == 1
    assert refunds.recover_refunds(NOW + 5 * MINUTE)["waiting"] == 1
    assert refunds.recover_refunds(NOW + 10 * MINUTE)["settled"] == 1
    assert Refund.objects.values_list("status", "idempotency_key").get() == ("succeeded", f"{begun.idempotency_key}-again-1")
    assert len(stripe.of("refund")) == 1


def test_a_key_that_was_used_otherwise_is_followed_by_another_attempt(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe)
    stripe.answers[f"invoice-{invoice.public_id}-attempt-1"] = ("another question", 200, {})
    assert collect_due(NOW)["failed"] == 1
    assert recover_attempts(NOW + 5 * MINUTE)["waiting"] == 1
    assert recover_attempts(NOW + 10 * MINUTE)["settled"] == 1
    assert collect_due(NOW + 10 * MINUTE)["succeeded"] == 1
    assert list(invoice.attempts.order_by("number").values_list("status", flat=True)) == ["canceled", "succeeded"]


@pytest.mark.parametrize("method", ["page", "saved"])
def test_callers_hear_a_sentence_and_never_stripes_words(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, method: str
) -> None:
    with_method(acme, stripe)
    stripe.refuse(lambda verb, path, _: verb == "POST", 401, **EXPIRED_KEY)
    asking = client(acme)
    sentence = (
        "The payment service did not accept this, because of a problem on our side. Nothing was charged: try again later."
    )
    for number, (url, body) in enumerate(
        [
            (f"/api/v1/invoices/{invoice.public_id}/pay", {"method": method}),
            ("/api/v1/credits/top-ups", {"amount": "20.00", "method": method}),
        ]
    ):
        answer = asking.post(url, body, format="json", headers={"idempotency-key": f"key-{number}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "payment_refused")
        assert answer.json()["error"]["message"] == sentence
    assert set(PaymentAttempt.objects.values_list("status", "trouble")) == {("canceled", EXPIRED_KEY["message"])}


def test_a_page_that_stripe_refuses_ends_the_attempt_with_the_reason(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    stripe.refuse(lambda method, path, _: path == PAGES, 400, code="amount_too_small", message="Amount must be 0.50 usd")
    with pytest.raises(ProviderRefused, match=r"Amount must be 0\.50 usd") as refused:
        payment_page(invoice, NOW)
    assert refused.value.message == "The amount is less than can be paid by card."
    attempt = invoice.attempts.get()
    assert (attempt.status, attempt.code, attempt.message) == ("canceled", "amount_too_small", refused.value.message)
    assert attempt.trouble == "Amount must be 0.50 usd (amount_too_small)"
    stripe.refusals.clear()
    assert payment_page(invoice, NOW).startswith("http")


def test_a_workspace_renamed_while_its_page_was_being_made_gets_that_page(stripe: StripeServer, acme: Workspace) -> None:
    stripe.fail_at(4, "die_after")  # the customer is searched, made and described; the page is made, and its address lost
    bought = purchase.buy_credit(acme, Decimal("50.00"), purchase.PAGE, "key", "ops", NOW)
    acme.name = "Acme Ltd"
    acme.save()
    with override_settings(PUBLIC_URL="https://elsewhere.example"):
        assert recover_attempts(NOW + 5 * MINUTE) == {"settled": 0, "waiting": 1, "unavailable": 0, "failed": 0}
    (session,) = stripe.of("checkout.session")
    assert bought.attempts.get().session_url == session["url"]


def test_a_setting_changed_between_two_tries_asks_the_same(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any
) -> None:
    with_method(acme, stripe)
    for call in (1, 2):
        stripe.fail_at(call, "die_before")
    collect_due(NOW)
    settings.STRIPE_PAYMENT_METHODS = ["card"]
    recover_attempts(NOW + 5 * MINUTE)
    first, second = asked(stripe, CHARGES)
    assert first == second
