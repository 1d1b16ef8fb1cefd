"""Paying from the billing page: what is due, what the buttons say, coming back from Stripe, and a new card."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from metering.credits import ledger
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import BillingTerms
from metering.payments.accounts.customers import account_of
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Payment, PaymentAttempt, TopUp
from metering.payments.refunds.reversals import void_invoice
from tests.kit.billing import Meter, an_invoice, tokens
from tests.kit.factories import LONG_AGO, NOW
from tests.kit.pages import text_of, words_of
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, DECLINED, StripeServer
from tests.website.conftest import Tenant
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db

CHECKING = "We are checking whether the payment went through."


def said(browser: Client, query: str = "") -> str:
    return words_of(browser.get(f"/billing{query}"))


def pay(browser: Client, invoice: Invoice, **asked: str) -> Any:
    return browser.post(f"/invoices/{invoice.public_id}/pay", asked, follow=False)


# --- What is due -----------------------------------------------------------------------------------------------------


def test_who_pays_afterwards_sees_what_is_due_and_no_balance(
    acme: Tenant, meter: Meter, invoice: Invoice, owner: Client
) -> None:
    meter(acme.key, "10-02T10:00", usage=tokens(input=2_000_000))
    words = said(owner)
    assert "Due now $150.00 1 open invoice Unbilled so far $3.00 on no invoice yet Payment method None" in words
    assert "Balance" not in words
    ledger.grant(acme.workspace, "goodwill", Decimal("5.00"), "ops", NOW)
    words = said(owner)
    assert "Balance $2.00 credits less unbilled usage Credits $5.00 left of all credits Unbilled so far $3.00" in words
    assert "Due now" not in words


def test_who_pays_before_sees_the_balance(acme: Tenant, meter: Meter, owner: Client) -> None:
    BillingTerms.objects.create(workspace=acme.workspace, mode="prepaid")
    meter(acme.key, "10-02T10:00", usage=tokens(input=2_000_000))
    assert "Balance -$3.00 credits less unbilled usage" in said(owner)


def test_what_is_due_comes_by_day_and_number_with_a_total(acme: Tenant, meter: Meter, owner: Client) -> None:
    BillingTerms.objects.create(workspace=acme.workspace, payment_days=30)
    first = an_invoice(acme.workspace, meter, "07", 10)
    second = an_invoice(acme.workspace, meter, "08", 20)
    BillingTerms.objects.update(payment_days=5)
    third = an_invoice(acme.workspace, meter, "09", 30)
    table = said(owner).partition("To be paid")[2].partition("Credits")[0]
    places = [table.index(str(each.number)) for each in (third, first, second)]
    assert places == sorted(places)
    assert "Total $90.00" in table


def test_what_is_carried_over_is_said(acme: Tenant, meter: Meter, owner: Client, settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    meter(acme.key, "08-10T10:00", "09-10T10:00", usage=tokens(input=13_333))
    for path in ("/billing", "/invoices"):
        assert "$0.04 carried over: invoices begin at $0.50." in words_of(owner.get(path))
    meter(acme.key, "09-11T10:00", usage=tokens(input=1_000_000))
    for path in ("/billing", "/invoices"):
        assert "carried over" not in words_of(owner.get(path))


def test_all_four_exports_are_linked(acme: Tenant, owner: Client) -> None:
    Workspace.objects.update(created_at=LONG_AGO)
    page = text_of(owner.get("/billing"))
    for kind in ("invoices", "lines", "payments", "credits"):
        assert f'href="/exports/{kind}"' in page
        answer = owner.get(f"/exports/{kind}")
        assert (answer.status_code, b"".join(answer.streaming_content)[:3]) == (200, b"\xef\xbb\xbf")  # type: ignore[attr-defined]


# --- What the buttons say, and what follows --------------------------------------------------------------------------


def test_the_button_says_how_much_and_with_what(acme: Tenant, invoice: Invoice, owner: Client, stripe: StripeServer) -> None:
    assert "$150.00 Pay on Stripe's page , invoice OMX-2026-00001 Total $150.00" in said(owner)
    with_method(acme.workspace, stripe)
    assert "$150.00 Pay $150.00 with Visa 4242 , invoice OMX-2026-00001 Pay on Stripe's page" in said(owner)


def test_a_lost_answer_is_looked_into_and_not_paid_again(
    acme: Tenant, invoice: Invoice, owner: Client, stripe: StripeServer
) -> None:
    with_method(acme.workspace, stripe)
    for each in (1, 2):  # the charge, and the look for what it made
        stripe.fail_at(each, "die_before")
    words = words_of(owner.post(f"/invoices/{invoice.public_id}/pay", follow=True))
    assert CHECKING in words
    assert "try again" not in words
    assert "Payment in progress $150.00 Payment in progress since 15 Oct 2026, 12:00 Total" in words
    assert f'action="/invoices/{invoice.public_id}/pay"' not in text_of(owner.get("/billing"))
    assert f'action="/invoices/{invoice.public_id}/pay"' not in text_of(owner.get(f"/invoices/{invoice.public_id}"))


def test_a_bank_debit_on_its_way_is_shown_in_place_of_the_button(
    acme: Tenant, invoice: Invoice, owner: Client, stripe: StripeServer
) -> None:
    with_method(acme.workspace, stripe, BANK)
    pay(owner, invoice)
    words = words_of(owner.get(f"/invoices/{invoice.public_id}"))
    assert "Payment in progress since 15 Oct 2026, 12:00" in words
    assert "Pay $150.00" not in words


# --- Back from Stripe's page -----------------------------------------------------------------------------------------


def test_coming_back_shows_the_invoice_paid_before_any_webhook(invoice: Invoice, owner: Client, stripe: StripeServer) -> None:
    pay(owner, invoice)
    assert "Pay on Stripe's page" in said(owner)  # only opened: it can still be paid
    stripe.complete(stripe.of("checkout.session")[0]["id"])
    words = said(owner, "?paid=1")
    assert "Thank you: invoice OMX-2026-00001 is paid." in words
    assert "Nothing is due" in words
    assert Payment.objects.get().amount == Decimal("150.00")


def test_what_a_webhook_took_in_first_is_thanked_for_too(invoice: Invoice, owner: Client, stripe: StripeServer) -> None:
    pay(owner, invoice)
    stripe.complete(stripe.of("checkout.session")[0]["id"])
    said(owner, "?paid=1")
    assert "Thank you: invoice OMX-2026-00001 is paid." in said(owner, "?paid=1")
    PaymentAttempt.objects.update(settled_at=NOW - timedelta(hours=1))
    assert "Thank you" not in said(owner, "?paid=1")
    assert Payment.objects.count() == 1


def test_the_address_alone_is_not_believed(invoice: Invoice, owner: Client, stripe: StripeServer) -> None:
    assert 'class="messages"' not in text_of(owner.get("/billing?paid=1"))
    pay(owner, invoice)
    page = owner.get("/billing?paid=1")
    assert 'class="messages"' not in text_of(page)
    assert "Pay on Stripe's page" in words_of(page)


def test_a_debit_that_was_ordered_there_is_under_way(invoice: Invoice, owner: Client, stripe: StripeServer) -> None:
    pay(owner, invoice)
    stripe.complete(stripe.of("checkout.session")[0]["id"], BANK)
    words = said(owner, "?paid=1")
    assert "The payment of invoice OMX-2026-00001 is in progress." in words
    assert "Payment in progress since 15 Oct 2026, 12:00" in words
    assert "Pay on Stripe's page" not in words


def test_when_stripe_is_away_on_return_it_is_being_checked(invoice: Invoice, owner: Client, stripe: StripeServer) -> None:
    pay(owner, invoice)
    stripe.fail_at(1, "die_before")
    assert CHECKING in said(owner, "?paid=1")


def test_credit_that_is_not_paid_yet_is_a_row(acme: Tenant, owner: Client, stripe: StripeServer) -> None:
    asked = {"amount": "50", "key": "form-0123456789abcdef"}
    url = owner.post("/billing/credit", asked)["Location"]
    assert "Purchase Not paid yet: pay on Stripe's page once it is paid never $50.00 none yet" in said(owner)
    assert f'<a href="{url}">' in text_of(owner.get("/billing"))
    session = stripe.of("checkout.session")[0]["id"]
    stripe.complete(session, BANK)
    assert "Purchase Payment in progress since 15 Oct 2026, 12:00" in said(owner, "?paid=1")
    stripe.settle(stripe.of("payment_intent")[0]["id"])
    words = said(owner, "?paid=1")
    assert "Thank you: $50.00 of credit is paid." in words
    assert "Purchased Top-up 15 Oct 2026 never $50.00 $50.00" in words
    assert TopUp.objects.get().status == "paid"


# --- Another card ----------------------------------------------------------------------------------------------------


def replace_method(browser: Client, server: StripeServer) -> str:
    browser.post("/billing/method")
    server.complete(server.of("checkout.session")[-1]["id"])
    return said(browser, "?saved=1")


def test_a_new_card_pays_what_failed_with_the_old_one(acme: Tenant, meter: Meter, owner: Client, stripe: StripeServer) -> None:
    invoices = [an_invoice(acme.workspace, meter, month) for month in ("07", "08", "09")]
    with_method(acme.workspace, stripe, DECLINED)
    for each in invoices[:2]:
        collect_invoice(each.pk, NOW)
    assert "failed invoice" not in said(owner)  # its card has been tried
    words = replace_method(owner, stripe)
    assert "Visa 4242 is saved. Invoices are charged to it from now on." in words
    assert "Pay 2 failed invoices now" in words
    words = words_of(owner.post("/billing/failed", follow=True))
    assert f"Thank you: invoice {invoices[0].number} is paid. Thank you: invoice {invoices[1].number} is paid." in words
    assert "failed invoice" not in words
    assert [intent["amount"] for intent in stripe.succeeded()] == [15_000, 15_000]
    assert Invoice.objects.get(pk=invoices[2].pk).status == "open"


@pytest.mark.parametrize("method", ["", "page"])
@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda invoice: mark_paid(invoice.pk, "wire 1", "ops", NOW), "is paid already"),
        (lambda invoice: void_invoice(invoice.pk, "wrong", "ops", NOW), "was voided, and is not to be paid any more"),
    ],
)
def test_a_page_that_was_opened_before_charges_nothing_and_shows_how_it_stands(
    acme: Tenant, invoice: Invoice, owner: Client, stripe: StripeServer, method: str, act: Any, what: str
) -> None:
    with_method(acme.workspace, stripe)
    assert "Pay $150.00 with" in words_of(owner.get("/billing"))
    act(invoice)
    words = words_of(owner.post(f"/invoices/{invoice.public_id}/pay", {"method": method}, follow=True))
    assert f"Invoice OMX-2026-00001 {what}. Nothing was charged now." in words
    assert ("Pay $150.00 with" in words, "Nothing is due" in words) == (False, True)
    assert (stripe.of("payment_intent"), stripe.of("checkout.session")) == ([], [])


def test_one_that_is_declined_again_ends_it(acme: Tenant, meter: Meter, owner: Client, stripe: StripeServer) -> None:
    invoices = [an_invoice(acme.workspace, meter, month) for month in ("08", "09")]
    with_method(acme.workspace, stripe, DECLINED)
    for each in invoices:
        collect_invoice(each.pk, NOW)
    account = account_of(acme.workspace)
    account.method_id = stripe.save_method(str(account.customer_id), DECLINED)
    account.save()
    words = words_of(owner.post("/billing/failed", follow=True))
    assert words.count(f"The payment of invoice {invoices[0].number} was declined: Your card has insufficient funds.") == 1
    assert "Pay 1 failed invoice now" in words


def test_nothing_is_said_of_a_card_that_was_not_replaced(acme: Tenant, owner: Client, stripe: StripeServer) -> None:
    with_method(acme.workspace, stripe)
    owner.post("/billing/method")
    assert "is saved" not in said(owner, "?saved=1")
    assert "is saved" not in said(owner, "?saved=1")


# --- Forms -----------------------------------------------------------------------------------------------------------


def test_a_refused_amount_is_said_on_its_field_with_what_was_typed(acme: Tenant, owner: Client, stripe: StripeServer) -> None:
    page = text_of(owner.post("/billing/credit", {"amount": "1.00", "key": "form-0123456789abcdef"}))
    assert 'role="alert">A top-up is 5.00 to 10000.00 USD, in whole cents.' in page
    (field,) = [line for line in page.splitlines() if 'name="amount"' in line]
    for expected in ('value="1.00"', 'aria-invalid="true"', "autofocus", 'aria-describedby="id_amount_error"'):
        assert expected in field, field
    assert TopUp.objects.count() == 0


def test_a_refused_level_is_said_on_its_field_with_what_was_typed(acme: Tenant, owner: Client, stripe: StripeServer) -> None:
    asked = {"low_balance": "10", "top_up_below": "20", "top_up_amount": "", "top_ups_per_day": "2"}
    page = text_of(owner.post("/billing/low-balance", asked))
    assert 'id="id_top_up_amount_error" role="alert">Automatic top-ups need a level and an amount.' in page
    assert page.count("autofocus") == 1
    for name, value in (("low_balance", "10"), ("top_up_below", "20"), ("top_ups_per_day", "2")):
        assert f'name="{name}" value="{value}"' in page
    assert account_of(acme.workspace).low_balance is None


def test_a_service_that_is_away_keeps_the_purchase_for_another_try(acme: Tenant, owner: Client, stripe: StripeServer) -> None:
    asked = {"amount": "50", "key": "form-0123456789abcdef"}
    stripe.fail_at(1, "die_before")
    page = text_of(owner.post("/billing/credit", asked))
    assert "The payment service does not answer." in page
    assert 'value="50"' in page
    assert 'value="form-0123456789abcdef"' in page
    assert owner.post("/billing/credit", asked)["Location"] == stripe.of("checkout.session")[0]["url"]


def test_another_amount_under_the_same_form_is_asked_about(acme: Tenant, owner: Client, stripe: StripeServer) -> None:
    asked = {"amount": "50", "key": "form-0123456789abcdef"}
    owner.post("/billing/credit", asked)
    page = text_of(owner.post("/billing/credit", asked | {"amount": "60"}))
    assert "The amount has changed since the last time: if it is right, buy again." in page
    assert 'value="form-0123456789abcdef"' not in page
    assert [each.amount for each in TopUp.objects.all()] == [Decimal("50.00")]


@pytest.mark.parametrize("path", ["profile", "credit", "low-balance", "method"])
def test_a_form_that_is_only_opened_leads_to_the_page(acme: Tenant, owner: Client, path: str) -> None:
    answer = owner.get(f"/billing/{path}")
    assert (answer.status_code, answer["Location"]) == (302, "/billing")


def test_without_stripe_nothing_is_bought_by_itself(acme: Tenant, owner: Client) -> None:
    account = account_of(acme.workspace)
    account.top_up_below, account.top_up_amount = Decimal("20.00"), Decimal("50.00")
    account.save()
    page = text_of(owner.get("/billing"))
    assert 'name="low_balance"' in page
    assert 'name="top_up_below"' not in page
    owner.post("/billing/low-balance", {"low_balance": "10", "top_up_below": "1"})
    account = account_of(acme.workspace)
    assert (account.low_balance, account.top_up_below, account.top_up_amount) == (10, 20, 50)


# --- Who asked -------------------------------------------------------------------------------------------------------


def requests_to_pay() -> list[tuple[str, str, dict[str, str]]]:
    found = AuditEntry.objects.filter(action="invoice.payment_requested").order_by("id")
    return [(each.actor, each.target, each.detail) for each in found]


def test_who_charges_the_saved_method_or_opens_a_page_is_in_the_trail(
    acme: Tenant, invoice: Invoice, owner: Client, stripe: StripeServer
) -> None:
    asked = ("owner@acme.example", invoice.public_id)
    pay(owner, invoice)
    assert requests_to_pay() == [(*asked, {"method": "page"})]
    with_method(acme.workspace, stripe)
    pay(owner, invoice)
    assert requests_to_pay() == [(*asked, {"method": "page"}), (*asked, {"method": "saved"})]
    assert len(stripe.succeeded()) == 1
    assert not AuditEntry.objects.filter(action="form.sent").exists()


def test_who_charges_what_failed_is_in_the_trail_of_each_invoice(
    acme: Tenant, meter: Meter, owner: Client, stripe: StripeServer
) -> None:
    invoices = [an_invoice(acme.workspace, meter, month) for month in ("08", "09")]
    with_method(acme.workspace, stripe, DECLINED)
    for each in invoices:
        collect_invoice(each.pk, NOW)
    replace_method(owner, stripe)
    owner.post("/billing/failed")
    assert requests_to_pay() == [("owner@acme.example", each.public_id, {"method": "saved"}) for each in invoices]


def test_who_buys_credit_is_in_the_trail(acme: Tenant, owner: Client, stripe: StripeServer) -> None:
    owner.post("/billing/credit", {"amount": "50", "key": "form-0123456789abcdef"})
    (entry,) = AuditEntry.objects.filter(action="credit.top_up")
    assert (entry.actor, entry.workspace, entry.detail) == ("owner@acme.example", acme.workspace, {"amount": "50.00"})
