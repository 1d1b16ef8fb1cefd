"""Balance, credits and paying over HTTP: exact, idempotent, and one's own only."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing
from metering.payments.balance.balance import balance_of
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.models import Payment, TopUp
from metering.reconcile.everything import money_differences
from tests.kit.billing import Meter, at, tokens
from tests.kit.days import fixed_day
from tests.kit.factories import NOW, make_key, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import DECLINED, StripeServer
from tests.kit.tenants import client_of
from workspaces.models import Workspace

__all__ = ["fixed_day"]

pytestmark = pytest.mark.django_db
TOP_UPS = "/api/v1/credits/top-ups"
MILLION = tokens(input=1_000_000)


def post(client: APIClient, url: str, body: Any, key: str | None = "k1") -> Any:
    headers = {} if key is None else {"idempotency-key": key}
    return client.post(url, body, format="json", headers=headers)


# --- Balance and credits -----------------------------------------------------------------------------------------


def test_the_balance_is_credits_less_unbilled_usage(acme: Workspace, use: Meter) -> None:
    ledger.grant(acme, "promotional", Decimal("5"), "ops", NOW)
    ledger.grant(acme, "purchased", Decimal("20"), "ops", NOW)
    key = make_key(acme)
    use(key, "09-14T10:00", "10-14T10:00", usage=tokens(input=1_000_001))
    assert client_of(acme).get("/api/v1/balance").json() == {
        "object": "balance",
        "balance": "21.999997000000",
        "credits": "25.00",
        "promotional": "5.00",
        "purchased": "20.00",
        "goodwill": "0.00",
        "unbilled_usage": "3.000003000000",
        "unbilled_tax": "0.00",
        "currency": "USD",
        "as_of": "2026-10-15T12:00:00Z",
    }


def test_usage_counts_once_before_and_after_its_invoice(acme: Workspace, use: Meter) -> None:
    from metering.invoicing.lifecycle.close import close_workspaces
    from metering.periods import parse_month

    ledger.grant(acme, "goodwill", Decimal("20"), "ops", NOW)
    use(make_key(acme), "09-14T10:00", "10-14T10:00", usage=MILLION)
    september = parse_month("2026-09")
    lefts = [balance_of(acme, NOW).left]
    close_workspaces(september, NOW)
    lefts.append(balance_of(acme, NOW).left)
    close_workspaces(september, NOW, finalize=True)
    lefts.append(balance_of(acme, NOW).left)
    assert lefts == [Decimal("17.0")] * 3
    assert balance_of(acme, NOW).unbilled == Decimal("1.5")


def test_a_discount_counts_and_a_minimum_does_not(acme: Workspace, use: Meter) -> None:
    AgreedPricing.objects.create(
        workspace=acme, effective_from=at("10-01T00:00"), discount_percent=Decimal(10), minimum_commitment=Decimal(500)
    )
    use(make_key(acme), "10-14T10:00", usage=MILLION)
    assert balance_of(acme, NOW).left == Decimal("-1.35")


def test_expired_credit_counts_only_for_the_usage_it_may_still_cover(acme: Workspace, use: Meter) -> None:
    ledger.grant(acme, "goodwill", Decimal("20"), "ops", at("09-01T00:00"), expires_at=at("10-01T00:00"))
    use(make_key(acme), "09-14T10:00", usage=MILLION)
    balance = balance_of(acme, NOW)
    assert (balance.credits, balance.left) == (Decimal("1.50"), Decimal("0.0"))


def test_credits_say_what_became_of_them(acme: Workspace, invoice: Invoice) -> None:
    grant = ledger.grant(acme, "purchased", Decimal("20"), "ops", NOW, note="Welcome", expires_at=at("12-01T00:00"))
    ledger.enter_uses_of_invoices({invoice.pk: [ledger.Use(grant, Decimal("12.34"))]}, "ops", NOW)
    ledger.reverse_uses(invoice.pk, "voided", "ops", NOW)
    ledger.reverse(grant, "by mistake", "ops", NOW, Decimal("7.00"))
    client = client_of(acme)
    shown = client.get("/api/v1/credits").json()
    assert shown == {
        "object": "list",
        "data": [
            {
                "object": "credit",
                "id": grant.public_id,
                "kind": "purchased",
                "amount": "20.00",
                "left": "13.00",
                "used": "0.00",
                "expired": "0.00",
                "reversed": "7.00",
                "transferred": "0.00",
                "currency": "USD",
                "priority": 100,
                "note": "Welcome",
                "granted_at": "2026-10-15T12:00:00Z",
                "expires_at": "2026-12-01T00:00:00Z",
            }
        ],
        "next_cursor": None,
    }
    entries = client.get(f"/api/v1/credits/{grant.public_id}/entries").json()["data"]
    assert [(each["kind"], each["amount"], each["invoice_id"]) for each in entries] == [
        ("reversal", "-7.00", None),
        ("reversal", "12.34", invoice.public_id),
        ("consumption", "-12.34", invoice.public_id),
        ("grant", "20.00", None),
    ]


def test_credits_are_paged(acme: Workspace) -> None:
    grants = [ledger.grant(acme, "goodwill", Decimal(amount), "ops", NOW) for amount in (1, 2, 3)]
    client = client_of(acme)
    first = client.get("/api/v1/credits?limit=2").json()
    second = client.get("/api/v1/credits", {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [each["id"] for each in first["data"] + second["data"]] == [each.public_id for each in grants[::-1]]
    assert second["next_cursor"] is None
    assert client.get("/api/v1/credits?cursor=nonsense").status_code == 400


def test_a_stranger_sees_nothing(acme: Workspace, invoice: Invoice, stripe: StripeServer) -> None:
    grant = ledger.grant(acme, "goodwill", Decimal("5"), "ops", NOW)
    stranger = client_of(make_workspace("Beta"))
    assert stranger.get("/api/v1/credits").json()["data"] == []
    assert stranger.get(f"/api/v1/credits/{grant.public_id}/entries").status_code == 404
    assert stranger.get(f"{TOP_UPS}/top_none").status_code == 404
    assert post(stranger, f"/api/v1/invoices/{invoice.public_id}/pay", {}).status_code == 404
    assert client_of(acme, "live").get("/api/v1/balance").status_code == 403


# --- Top-ups -----------------------------------------------------------------------------------------------------


def test_a_top_up_is_paid_on_a_page_and_granted(stripe: StripeServer, acme: Workspace) -> None:
    client = client_of(acme)
    made = post(client, TOP_UPS, {"amount": "50.00"})
    assert (made.status_code, made.json()["status"], made.json()["amount"]) == (201, "pending", "50.00")
    (session,) = stripe.of("checkout.session")
    assert made.json()["payment_page"] == session["url"]
    stripe.complete(session["id"])
    recover_attempts(NOW)
    shown = client.get(f"{TOP_UPS}/{made.json()['id']}").json()
    grant = CreditGrant.objects.get()
    assert (shown["status"], shown["payment_page"], shown["credit_id"]) == ("paid", None, grant.public_id)
    assert (grant.kind, grant.amount, Payment.objects.get().grant) == ("purchased", Decimal("50.00"), grant)
    assert money_differences() == []


def test_two_identical_ones_with_one_key_are_one(stripe: StripeServer, acme: Workspace) -> None:
    client = client_of(acme)
    answers = [post(client, TOP_UPS, {"amount": "50.00"}).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert (TopUp.objects.count(), len(stripe.of("checkout.session"))) == (1, 1)
    assert post(client, TOP_UPS, {"amount": "50.00"}, "k2").json()["id"] != answers[0]["id"]


def test_another_question_under_the_key_is_refused(stripe: StripeServer, acme: Workspace) -> None:
    client = client_of(acme)
    post(client, TOP_UPS, {"amount": "50.00"})
    answer = post(client, TOP_UPS, {"amount": "51.00"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert post(client_of(make_workspace("Beta")), TOP_UPS, {"amount": "51.00"}).status_code == 201


@pytest.mark.parametrize("key", [None, "", " ", "k" * 256, "schlüssel"])
def test_without_a_key_no_money_moves(stripe: StripeServer, acme: Workspace, invoice: Invoice, key: str | None) -> None:
    for url, body in ((TOP_UPS, {"amount": "50.00"}), (f"/api/v1/invoices/{invoice.public_id}/pay", {})):
        answer = post(client_of(acme), url, body, key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_key_required")
    assert (TopUp.objects.count(), stripe.requests) == (0, [])


@pytest.mark.parametrize("amount", ["4.99", "10000.01", "7.001", "-5", "NaN", "x", None])
def test_an_amount_out_of_bounds_is_refused(stripe: StripeServer, acme: Workspace, amount: Any) -> None:
    assert post(client_of(acme), TOP_UPS, {"amount": amount}).status_code == 400
    assert TopUp.objects.count() == 0


def test_a_saved_method_is_charged_at_once(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    answer = post(client_of(acme), TOP_UPS, {"amount": "50.00", "method": "saved"})
    assert (answer.status_code, answer.json()["status"], answer.json()["payment_page"]) == (201, "paid", None)
    assert balance_of(acme, NOW).left == Decimal("50.00")


def test_a_decline_is_in_the_answer(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe, DECLINED)
    shown = post(client_of(acme), TOP_UPS, {"amount": "50.00", "method": "saved"}).json()
    assert (shown["status"], shown["message"]) == ("failed", "Your card has insufficient funds.")
    assert CreditGrant.objects.count() == 0


def test_without_a_method_or_without_stripe_it_says_so(stripe: StripeServer, acme: Workspace, settings: Any) -> None:
    client = client_of(acme)
    answer = post(client, TOP_UPS, {"amount": "50.00", "method": "saved"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_payment_method")
    settings.STRIPE_SECRET_KEY = ""
    answer = post(client, TOP_UPS, {"amount": "50.00"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stripe_not_configured")
    assert TopUp.objects.count() == 0


@pytest.mark.parametrize("how", ["die_before", "die_after", "too_late"])
def test_a_lost_answer_is_made_up_for_by_repeating(stripe: StripeServer, acme: Workspace, how: str) -> None:
    with_method(acme, stripe)
    stripe.fail_at(1, how)
    client = client_of(acme)
    post(client, TOP_UPS, {"amount": "50.00", "method": "saved"})
    assert post(client, TOP_UPS, {"amount": "50.00", "method": "saved"}).json()["status"] == "paid"
    assert ([each["amount"] for each in stripe.succeeded()], CreditGrant.objects.count()) == ([5000], 1)


@pytest.mark.django_db(transaction=True)
def test_identical_ones_at_once_are_one(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    client = client_of(acme)

    def ask(_: int) -> Any:
        try:
            return post(client, TOP_UPS, {"amount": "50.00", "method": "saved"}).json()["id"]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1
    recover_attempts(NOW)
    assert ([each["amount"] for each in stripe.succeeded()], CreditGrant.objects.count()) == ([5000], 1)


# --- Paying an invoice -------------------------------------------------------------------------------------------


def test_an_invoice_is_paid_on_a_page_or_from_the_saved_method(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    client, url = client_of(acme), f"/api/v1/invoices/{invoice.public_id}/pay"
    shown = post(client, url, {}).json()
    assert shown == {
        "object": "invoice_payment",
        "invoice_id": invoice.public_id,
        "status": "open",
        "payment_page": stripe.of("checkout.session")[0]["url"],
        "attempt": None,
        "message": "",
    }
    with_method(acme, stripe)
    assert post(client, url, {"method": "saved"}, "k2").json()["status"] == "paid"
    assert post(client, url, {"method": "saved"}, "k2").json()["status"] == "paid"
    assert post(client, url, {"method": "saved"}, "k3").json()["status"] == "paid"
    assert len(stripe.succeeded()) == 1


def test_while_stripe_is_away_one_is_asked_to_repeat(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    for number in (1, 2):
        stripe.fail_at(number, "die_before")
    answer = post(client_of(acme), f"/api/v1/invoices/{invoice.public_id}/pay", {"method": "saved"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert answer.json()["error"]["code"] == "stripe_unavailable"
