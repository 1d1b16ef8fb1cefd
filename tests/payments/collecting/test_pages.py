"""Payment pages: one address while it is open, closed before anything else is done, and ended by what came of it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from metering.errors import InvoiceNotOpen, PaymentInProgress
from metering.invoicing.allowed import check_collect
from metering.invoicing.lifecycle.void import mark_uncollectible
from metering.invoicing.models import Invoice
from metering.payments.collecting import attempts
from metering.payments.collecting.attempts import begin_for_invoice, recover_attempts
from metering.payments.collecting.collect import charge_now, collect_due, collect_invoice, payment_page
from metering.payments.collecting.manual import mark_paid
from metering.payments.collecting.payment_page import expire_page
from metering.payments.models import Payment, PaymentAttempt
from metering.payments.provider.current import provider
from metering.payments.refunds.reversals import void_invoice
from metering.payments.webhooks.inbox import handle_waiting
from tests.kit.factories import NOW
from tests.kit.paying import send_event, with_method
from tests.kit.stripe_server import BANK, DECLINED, UNCONFIRMED, StripeServer
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def session(stripe: StripeServer, invoice: Invoice) -> dict[str, Any]:
    """The invoice's open page."""
    payment_page(invoice, NOW)
    (opened,) = stripe.of("checkout.session")
    return opened


def statuses(invoice: Invoice) -> list[str]:
    return list(invoice.attempts.order_by("number").values_list("status", flat=True))


def decline_on(stripe: StripeServer, session: dict[str, Any]) -> None:
    stripe.complete(session["id"], DECLINED)
    send_event(stripe, "payment_intent.payment_failed", stripe.of("payment_intent")[0])
    assert handle_waiting(NOW + MINUTE)["handled"] == 1


def test_a_card_declined_on_the_page_leaves_it_open_at_the_same_address(
    stripe: StripeServer, invoice: Invoice, session: dict[str, Any]
) -> None:
    decline_on(stripe, session)
    assert payment_page(invoice, NOW + 2 * MINUTE) == session["url"]
    assert statuses(invoice) == ["started"]
    assert len(stripe.of("checkout.session")) == 1


def test_a_page_with_a_declined_card_can_be_closed(stripe: StripeServer, invoice: Invoice, session: dict[str, Any]) -> None:
    decline_on(stripe, session)
    void_invoice(invoice.pk, "mistake", "ops", NOW + 2 * MINUTE)
    invoice.refresh_from_db()
    assert (invoice.status, session["status"], statuses(invoice)) == ("void", "expired", ["canceled"])


def test_a_page_with_a_declined_card_is_closed_before_a_saved_method_is_charged(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, session: dict[str, Any]
) -> None:
    decline_on(stripe, session)
    with_method(acme, stripe)
    collect_invoice(invoice.pk, NOW + 2 * MINUTE)
    invoice.refresh_from_db()
    assert (invoice.status, session["status"], statuses(invoice)) == ("paid", "expired", ["canceled", "succeeded"])


def test_a_page_with_a_declined_card_that_expires_ends_the_attempt(
    stripe: StripeServer, invoice: Invoice, session: dict[str, Any]
) -> None:
    decline_on(stripe, session)
    session.update(status="expired", url=None)  # a day later, by itself
    send_event(stripe, "checkout.session.expired", session)
    handle_waiting(NOW + DAY)
    assert statuses(invoice) == ["canceled"]
    assert payment_page(invoice, NOW + DAY) != session["url"]


def test_a_bank_debit_on_the_page_that_fails_days_later_is_a_decline(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, session: dict[str, Any]
) -> None:
    stripe.complete(session["id"], BANK)
    recover_attempts(NOW + 5 * MINUTE)
    assert statuses(invoice) == ["processing"]
    with pytest.raises(PaymentInProgress):
        payment_page(invoice, NOW + 6 * MINUTE)
    (intent,) = stripe.of("payment_intent")
    stripe.settle(intent["id"], succeeded=False)
    send_event(stripe, "payment_intent.payment_failed", intent)
    handle_waiting(NOW + 4 * DAY)
    attempt = invoice.attempts.get()
    assert (attempt.status, attempt.code, attempt.session_url) == ("declined", "debit_not_authorized", "")
    assert payment_page(invoice, NOW + 40 * DAY).startswith("http")
    stripe.complete(stripe.of("checkout.session")[1]["id"])
    recover_attempts(NOW + 40 * DAY)
    assert [each.amount for each in Payment.objects.all()] == [Decimal("150.00")]


def test_a_bank_account_that_its_owner_has_yet_to_verify_is_waited_for(
    stripe: StripeServer, invoice: Invoice, session: dict[str, Any]
) -> None:
    stripe.complete(session["id"], UNCONFIRMED)
    session.update(status="complete", url=None)
    assert recover_attempts(NOW + DAY)["waiting"] == 1
    with pytest.raises(PaymentInProgress):
        payment_page(invoice, NOW + DAY)
    with pytest.raises(PaymentInProgress):
        void_invoice(invoice.pk, "mistake", "ops", NOW + DAY)


def test_by_hand_closes_an_open_page_first(stripe: StripeServer, invoice: Invoice, session: dict[str, Any]) -> None:
    assert mark_paid(invoice.pk, "wire", "ops", NOW).status == "paid"
    assert (session["status"], statuses(invoice)) == ("expired", ["canceled"])
    assert [(each.method, each.amount) for each in Payment.objects.all()] == [("by_hand", Decimal("150.00"))]


def test_by_hand_waits_for_a_page_that_was_just_paid(stripe: StripeServer, invoice: Invoice, session: dict[str, Any]) -> None:
    stripe.complete(session["id"])
    with pytest.raises(InvoiceNotOpen):
        mark_paid(invoice.pk, "wire", "ops", NOW)
    assert [(each.method, each.amount) for each in Payment.objects.all()] == [("stripe", Decimal("150.00"))]


def test_a_page_whose_address_was_just_told_is_not_thought_unopened(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    account = with_method(acme, stripe)
    begin_for_invoice(invoice.pk, "payment_page", account, NOW)
    seen = PaymentAttempt.objects.get()  # read by the dunning run ...
    payment_page(invoice, NOW)  # ... while a request opens it and tells its address
    expire_page(seen, NOW)
    assert (stripe.of("checkout.session")[0]["status"], statuses(invoice)) == ("expired", ["canceled"])
    collect_invoice(invoice.pk, NOW)
    assert len(stripe.succeeded()) == 1


def test_a_page_that_was_closed_while_stripe_made_it_is_told_to_nobody(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, monkeypatch: Any
) -> None:
    account = with_method(acme, stripe)
    attempt = begin_for_invoice(invoice.pk, "payment_page", account, NOW)
    made = type(provider()).open_payment_page

    def slow(self: Any, *asked: Any) -> Any:
        session = made(self, *asked)
        if len(stripe.of("checkout.session")) == 1:
            assert attempts.cancel_attempt(attempt, NOW).status == "canceled"
        return session

    monkeypatch.setattr(type(provider()), "open_payment_page", slow)
    address = payment_page(invoice, NOW)
    first, second = stripe.of("checkout.session")
    assert (first["status"], second["status"], address) == ("expired", "open", second["url"])
    assert statuses(invoice) == ["canceled", "started"]


def test_an_uncollectible_invoice_can_be_paid_by_its_customer_and_is_not_collected(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    mark_uncollectible(invoice.pk, "gave up", "ops", NOW)
    invoice.refresh_from_db()
    with_method(acme, stripe)
    assert collect_due(NOW)["succeeded"] == 0
    assert collect_invoice(invoice.pk, NOW) is None
    assert payment_page(invoice, NOW).startswith("http")
    assert collect_invoice(invoice.pk, NOW) is None
    assert stripe.of("checkout.session")[0]["status"] == "open"
    assert charge_now(invoice, "the tests", NOW).status == "succeeded"  # closes the page
    invoice.refresh_from_db()
    assert (invoice.status, stripe.of("checkout.session")[0]["status"]) == ("paid", "expired")
    assert len(stripe.succeeded()) == 1


def test_a_charge_begun_while_open_goes_no_further_by_itself_than_its_attempt(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    account = with_method(acme, stripe)
    mark_uncollectible(invoice.pk, "gave up", "ops", NOW)
    with pytest.raises(InvoiceNotOpen):
        begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, NOW, check=check_collect)
