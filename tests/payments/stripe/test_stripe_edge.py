"""The edge speaks Stripe's language, over HTTP, with the real library."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from metering.errors import StripeNotConfigured
from metering.payments.provider.current import provider
from metering.payments.provider.errors import ForgedWebhook, ProviderRefused, ProviderUnavailable
from metering.payments.stripe.client import verify_webhook
from metering.payments.stripe.objects import wire
from tests.kit.stripe_server import BANK, DECLINED, GOOD, NEEDS_OWNER, WAYS_TO_FAIL, StripeServer

pytestmark = pytest.mark.django_db
META = {"omixa_attempt": "invoice-inv_1-attempt-1"}


def a_customer(name: str = "Acme") -> str:
    return provider().create_customer("ws_1", f"customer-{name}")


def charge(stripe: StripeServer, method: str = GOOD, key: str = "k1", amount: str = "12.34") -> Any:
    customer = a_customer()
    saved = next((each["id"] for each in stripe.of("payment_method")), None) or stripe.save_method(customer, method)
    return provider().charge_saved_method(a_charge(customer, saved, amount, META), key)


def a_charge(customer: str, method: str, amount: str, metadata: dict[str, str]) -> dict[str, Any]:
    whole = {"amount": wire(Decimal(amount), "usd"), "currency": "usd", "customer": customer, "payment_method": method}
    return whole | {"off_session": True, "confirm": True, "metadata": metadata, "expand": ["latest_charge"]}


def test_amounts_go_as_whole_cents_and_come_back_as_they_were(stripe: StripeServer) -> None:
    intent = charge(stripe, amount="12345678.91")
    assert (intent.status, intent.amount, intent.received) == ("succeeded", Decimal("12345678.91"), Decimal("12345678.91"))
    assert (intent.currency, intent.metadata) == ("USD", META)
    sent = stripe.requests[-1]
    assert (sent.params["amount"], sent.params["off_session"], sent.params["confirm"]) == ("1234567891", "true", "true")
    assert (sent.key, sent.version) == ("k1", "2026-10-28.endive")


def test_a_fraction_of_a_cent_is_never_sent(stripe: StripeServer) -> None:
    with pytest.raises(ValueError, match="not a whole number of the smallest unit"):
        charge(stripe, amount="1.005")


@pytest.mark.parametrize(
    ("method", "code", "message"),
    [
        (DECLINED, "insufficient_funds", "Your card has insufficient funds."),
        (NEEDS_OWNER, "authentication_required", "Your card was declined. It requires authentication."),
    ],
)
def test_a_decline_is_an_answer(stripe: StripeServer, method: str, code: str, message: str) -> None:
    intent = charge(stripe, method)
    assert (intent.status, intent.code, intent.message) == ("declined", code, message)
    assert intent.id == stripe.of("payment_intent")[0]["id"]
    assert provider().look_up_payment(intent.id).status == "declined"


def test_a_bank_debit_takes_its_time(stripe: StripeServer) -> None:
    intent = charge(stripe, BANK)
    assert intent.status == "processing"
    stripe.settle(intent.id)
    assert provider().look_up_payment(intent.id).status == "succeeded"


@pytest.mark.parametrize("how", WAYS_TO_FAIL)
def test_an_unknown_outcome_is_not_an_answer(stripe: StripeServer, how: str) -> None:
    a_customer()
    stripe.fail_at(2, how)
    with pytest.raises(ProviderUnavailable):
        charge(stripe)


def test_the_same_key_is_the_same_payment_and_another_question_is_refused(stripe: StripeServer) -> None:
    first = charge(stripe)
    assert charge(stripe).id == first.id
    with pytest.raises(ProviderRefused) as refused:
        charge(stripe, amount="1.00")
    assert refused.value.reason == "idempotency_error"
    assert len(stripe.succeeded()) == 1


def test_payments_are_found_at_once(stripe: StripeServer) -> None:
    made = charge(stripe)
    assert list(provider().list_payments(datetime.now(UTC) - timedelta(hours=1), made.customer)) == [made]


def test_listing_goes_through_all_pages(stripe: StripeServer) -> None:
    customer = a_customer()
    saved = stripe.save_method(customer)
    for number in range(205):
        provider().charge_saved_method(a_charge(customer, saved, "1.00", {}), f"k{number}")
    assert len({intent.id for intent in provider().list_payments(datetime.now(UTC) - timedelta(hours=1))}) == 205


def test_money_goes_back_and_never_more_than_came(stripe: StripeServer) -> None:
    made = charge(stripe)
    back = provider().refund_payment(made.id, Decimal("12.00"), "USD", {}, "r1")
    assert (back.status, back.amount, back.intent) == ("succeeded", Decimal("12.00"), made.id)
    assert provider().refunds_of(made.id) == [back]
    with pytest.raises(ProviderRefused):
        provider().refund_payment(made.id, Decimal("0.35"), "USD", {}, "r2")


def test_a_page_saves_a_method(stripe: StripeServer) -> None:
    customer = a_customer()
    page = provider().open_setup_page(customer, "http://a/", "http://b/", "s1")
    assert (page.status, page.mode, page.url.startswith("http")) == ("open", "setup", True)
    stripe.complete(page.id)
    done = provider().look_up_page(page.id)
    method = provider().look_up_method(provider().look_up_setup(done.setup_intent).method)
    assert (done.status, method.kind, method.brand, method.last_four) == ("complete", "card", "visa", "4242")
    assert (method.customer, method.expires_year, method.expires_month) == (customer, 2030, 12)


def test_nothing_is_asked_inside_a_transaction(stripe: StripeServer) -> None:
    with pytest.raises(RuntimeError, match="inside an open database transaction"), transaction.atomic():
        a_customer()
    assert stripe.requests == []


def test_without_a_key_there_is_no_stripe() -> None:
    with pytest.raises(StripeNotConfigured):
        provider()


def test_a_webhook_is_believed_when_signed_in_the_last_five_minutes(stripe: StripeServer) -> None:
    event = stripe.event("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"})
    body, signature = stripe.signed(event)
    assert verify_webhook(body, signature)["id"] == event["id"]
    stale = stripe.signed(event, at=int(datetime.now(UTC).timestamp()) - 301)
    unfit = "the header Stripe-Signature does not fit the body and STRIPE_WEBHOOK_SECRET."
    for forged, why in [
        ((body, "t=1,v1=00"), unfit),
        ((body, "nonsense"), unfit),
        ((body, ""), "the header Stripe-Signature is missing."),
        ((body + b" ", signature), unfit),
        (stripe.signed(event, "whsec_other"), unfit),
        (stale, "it was signed more than 300 seconds ago."),
    ]:
        with pytest.raises(ForgedWebhook) as refused:
            verify_webhook(*forged)
        assert str(refused.value) == why
