"""The real library against localstripe, a stateful Stripe of others: our calls are such as a second reader understands."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from metering.invoicing.models import Invoice
from metering.payments.accounts.customers import account_of
from metering.payments.collecting.collect import collect_due
from metering.payments.models import Payment, PaymentAccount
from metering.payments.provider.current import provider
from metering.payments.refunds import refunds
from metering.payments.stripe import client
from metering.reconcile.everything import money_differences
from tests.kit.factories import NOW
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
KEY = "sk_test_localstripe"
SECONDS_TO_START = 30


@pytest.fixture(scope="module")
def localstripe() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = subprocess.Popen(
        [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        give_up = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                httpx.get(f"{url}/v1/customers", auth=(KEY, ""))
                break
            except httpx.TransportError:
                assert time.monotonic() < give_up, "localstripe does not start"
                time.sleep(0.1)
        yield url
    finally:
        started.terminate()
        started.wait(10)


@pytest.fixture
def account(localstripe: str, acme: Workspace, settings: Any) -> PaymentAccount:
    settings.STRIPE_SECRET_KEY = KEY
    settings.STRIPE_API_BASE = localstripe
    client._edge.cache_clear()
    account = account_of(acme)
    account.customer_id = provider().create_customer(acme.public_id, f"c-{acme.public_id}")
    provider().describe_customer(account.customer_id, "Acme", "bills@acme.example")
    account.save()
    return account


def save_card(localstripe: str, account: PaymentAccount, number: str) -> None:
    """What the customer does on Stripe's page."""
    card = {"type": "card", "card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2030", "card[cvc]": "123"}
    made = httpx.post(f"{localstripe}/v1/payment_methods", auth=(KEY, ""), data=card).raise_for_status().json()
    attach = f"{localstripe}/v1/payment_methods/{made['id']}/attach"
    httpx.post(attach, auth=(KEY, ""), data={"customer": str(account.customer_id)}).raise_for_status()
    account.method_id = made["id"]
    account.save()


def test_an_invoice_is_collected_and_partly_refunded(localstripe: str, account: PaymentAccount, invoice: Invoice) -> None:
    save_card(localstripe, account, "4242424242424242")
    assert collect_due(NOW) == {"succeeded": 1, "processing": 0, "declined": 0, "failed": 0}
    invoice.refresh_from_db()
    payment = Payment.objects.get()
    assert (invoice.status, payment.amount) == ("paid", Decimal("150.00"))
    theirs = provider().look_up_payment(str(payment.intent_id))
    assert (theirs.status, theirs.amount, theirs.metadata["omixa_invoice"]) == (
        "succeeded",
        Decimal("150.00"),
        invoice.public_id,
    )
    back = refunds.refund(payment.pk, Decimal("20.00"), "too much", "ops", NOW)
    payment.refresh_from_db()
    assert (back.status, payment.refunded) == ("succeeded", Decimal("20.00"))
    assert money_differences() == []


def test_a_declined_card_is_an_answer(localstripe: str, account: PaymentAccount, invoice: Invoice) -> None:
    save_card(localstripe, account, "4000000000000341")
    assert collect_due(NOW)["declined"] == 1
    attempt = invoice.attempts.get()
    assert (attempt.status, attempt.code, attempt.message) == ("declined", "card_declined", "Your card was declined.")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due, Payment.objects.count()) == ("open", Decimal("150.00"), 0)


def test_a_saved_card_is_described(localstripe: str, account: PaymentAccount) -> None:
    save_card(localstripe, account, "4242424242424242")
    method = provider().look_up_method(account.method_id)
    assert (method.kind, method.last_four, method.expires_year, method.expires_month) == ("card", "4242", 2030, 12)
