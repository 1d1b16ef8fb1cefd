"""`POST /api/v1/invoices/{id}/pay`: one attempt for a key, answered from however often it is repeated."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from metering.invoicing.models import Invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Dunning, IdempotencyKey
from metering.payments.refunds.reversals import issue_credit_note, void_invoice
from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, DECLINED, GOOD, StripeServer
from workspaces.keys import issue
from workspaces.models import Workspace

__all__ = ["fixed_day"]

pytestmark = pytest.mark.django_db
DECLINE = ("open", "declined", "Your card has insufficient funds.")


@pytest.fixture
def client(acme: Workspace) -> APIClient:
    _, secret = issue.create_key(acme, "admin", "Back office", "tests", NOW)
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def pay(client: APIClient, invoice: Invoice, method: str = "saved", key: str = "k1") -> Any:
    url = f"/api/v1/invoices/{invoice.public_id}/pay"
    return client.post(url, {"method": method}, format="json", headers={"idempotency-key": key})


def outcome(answer: Any) -> tuple[str, str | None, str]:
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return body["status"], body["attempt"], body["message"]


def test_a_decline_stays_the_keys_answer(stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient) -> None:
    account = with_method(acme, stripe, DECLINED)
    assert [outcome(pay(client, invoice)) for _ in range(4)] == [DECLINE] * 4
    assert len(stripe.of("payment_intent")) == 1
    assert (Dunning.objects.get().state, Dunning.objects.get().retries) == ("retrying", 0)
    account.method_id = stripe.save_method(str(account.customer_id), GOOD)
    account.save()
    assert outcome(pay(client, invoice)) == DECLINE
    assert outcome(pay(client, invoice, key="k2")) == ("paid", "succeeded", "")
    assert outcome(pay(client, invoice)) == ("paid", "declined", "Your card has insufficient funds.")
    assert [each["amount"] for each in stripe.succeeded()] == [15000]


def test_what_was_under_way_is_answered_as_it_is_by_then(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient
) -> None:
    with_method(acme, stripe, BANK)
    assert outcome(pay(client, invoice)) == ("open", "processing", "")
    stripe.settle(stripe.of("payment_intent")[0]["id"])
    assert outcome(pay(client, invoice)) == ("paid", "succeeded", "")
    assert len(stripe.of("payment_intent")) == 1


@pytest.mark.parametrize("how", ["die_before", "die_after"])
def test_a_lost_answer_is_found_out_under_the_same_key(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient, how: str
) -> None:
    with_method(acme, stripe, DECLINED)
    stripe.fail_at(1, how)
    stripe.fail_at(2, "die_before")
    answer = pay(client, invoice)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stripe_unavailable")
    assert [outcome(pay(client, invoice)) for _ in range(2)] == [DECLINE] * 2
    assert len(stripe.of("payment_intent")) == 1


@pytest.mark.django_db(transaction=True)
def test_identical_ones_at_once_are_one_attempt(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient
) -> None:
    with_method(acme, stripe, DECLINED)

    def ask(_: int) -> int:
        try:
            return int(pay(client, invoice).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) <= {200, 503}
    assert outcome(pay(client, invoice)) == DECLINE
    assert (invoice.attempts.count(), len(stripe.of("payment_intent"))) == (1, 1)


def test_a_page_stays_a_page_until_it_is_paid(stripe: StripeServer, invoice: Invoice, client: APIClient) -> None:
    pages = [pay(client, invoice, "page").json()["payment_page"] for _ in range(2)]
    assert pages == [stripe.of("checkout.session")[0]["url"]] * 2
    stripe.complete(stripe.of("checkout.session")[0]["id"])
    assert outcome(pay(client, invoice, key="k2", method="page")) == ("paid", None, "")
    shown = pay(client, invoice, "page").json()
    assert (shown["status"], shown["payment_page"]) == ("paid", None)


def test_the_saved_method_is_charged_when_its_page_was_left_open(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient
) -> None:
    pay(client, invoice, "page", "k1")
    with_method(acme, stripe)
    assert outcome(pay(client, invoice, key="k2")) == ("paid", "succeeded", "")
    (session,) = stripe.of("checkout.session")
    assert (session["status"], len(stripe.succeeded())) == ("expired", 1)


def test_a_refusal_is_not_remembered(stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient) -> None:
    answer = pay(client, invoice)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_payment_method")
    assert IdempotencyKey.objects.count() == 0
    with_method(acme, stripe)
    assert outcome(pay(client, invoice)) == ("paid", "succeeded", "")


def test_nothing_is_charged_for_an_invoice_that_is_settled(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient
) -> None:
    with_method(acme, stripe)
    mark_paid(invoice.pk, "wire", "ops", NOW)
    assert [outcome(pay(client, invoice)) for _ in range(2)] == [("paid", None, "")] * 2
    assert stripe.of("payment_intent") == []


def test_a_void_one_is_refused(stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient) -> None:
    void_invoice(invoice.pk, "mistake", "ops", NOW)
    answer = pay(client, invoice)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invoice_not_open")


@pytest.mark.parametrize("method", ["saved", "page"])
def test_less_than_a_card_can_pay_is_refused(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, client: APIClient, method: str, settings: Any
) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    with_method(acme, stripe)
    issue_credit_note(invoice.pk, {invoice.lines.get().public_id: Decimal("149.70")}, "slow", "balance", "ops", NOW)
    answer = pay(client, invoice, method)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_little_to_pay")
    assert "0.30 USD are due" in answer.json()["error"]["message"]
    assert (stripe.of("payment_intent"), stripe.of("checkout.session")) == ([], [])
