"""The billing page: what is left and due, paying, saving a method, buying credit, the profile; one's own only."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from metering.credits import ledger
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
from metering.payments.accounts.customers import account_of
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.models import PaymentAccount, TopUp
from metering.payments.refunds.reversals import issue_credit_note
from tests.kit.billing import Meter, an_invoice
from tests.kit.factories import NOW, make_price
from tests.kit.pages import words_of as text
from tests.kit.paying import with_method
from tests.kit.people import Browser
from tests.kit.stripe_server import DECLINED, NEEDS_OWNER, StripeServer
from tests.website.conftest import Tenant
from workspaces.models import AuditEntry, Gateway, Workspace

pytestmark = pytest.mark.django_db


def key_in(page: Any) -> str:
    """The purchase's own key, as the form carries it."""
    (key,) = re.findall(r'name="key" value="([^"]+)"', page.content.decode())
    return str(key)


def said(browser: Client) -> str:
    return text(browser.get("/billing"))


def test_it_shows_what_is_left_and_due(as_role: Browser, acme: Tenant, invoice: Invoice) -> None:
    ledger.grant(acme.workspace, "promotional", Decimal("5.00"), "ops", NOW, note="Welcome")
    page = said(as_role("billing"))
    assert "Balance $5.00 credits less unbilled usage" in page
    assert f"{invoice.number}" in page
    assert "$150.00" in page
    assert "Promotional Welcome" in page
    assert "Omixa Cloud tells you how to pay open invoices." in page


def test_it_is_empty_in_words(as_role: Browser, acme: Tenant) -> None:
    page = said(as_role("owner"))
    assert "Nothing is due" in page
    assert "No credits" in page


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("billing", 200), ("viewer", 403)])
def test_who_may_see_it(as_role: Browser, acme: Tenant, role: str, status: int) -> None:
    assert as_role(role).get("/billing").status_code == status


def test_paying_leads_to_stripes_page(as_role: Browser, acme: Tenant, invoice: Invoice, stripe: StripeServer) -> None:
    client = as_role("billing")
    answer = client.post(f"/invoices/{invoice.public_id}/pay")
    assert (answer.status_code, answer["Location"]) == (302, stripe.of("checkout.session")[0]["url"])
    assert client.get(f"/invoices/{invoice.public_id}/pay").status_code == 405


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("pm_good", "Thank you: invoice OMX-2026-00001 is paid."),
        (DECLINED, "The payment of invoice OMX-2026-00001 was declined: Your card has insufficient funds."),
        ("pm_bank", "The payment is in progress."),
    ],
)
def test_a_saved_method_is_charged(
    as_role: Browser, acme: Tenant, invoice: Invoice, stripe: StripeServer, method: str, words: str
) -> None:
    with_method(acme.workspace, stripe, method)
    client = as_role("billing")
    assert words in text(client.post(f"/invoices/{invoice.public_id}/pay", follow=True))


def test_who_has_a_method_may_pay_on_a_page_as_well(
    as_role: Browser, acme: Tenant, invoice: Invoice, stripe: StripeServer
) -> None:
    client = as_role("billing")
    assert "Pay $150.00 with" not in said(client)
    with_method(acme.workspace, stripe, NEEDS_OWNER)
    pay = f"/invoices/{invoice.public_id}/pay"
    page = text(client.post(pay, follow=True))
    assert "It requires authentication. Pay on Stripe's page, or save another method." in page
    assert "Pay $150.00 with Visa 4242 , invoice OMX-2026-00001 Pay on Stripe's page" in page
    answer = client.post(pay, {"method": "page"})
    assert answer["Location"] == stripe.of("checkout.session")[0]["url"]


def test_too_little_for_a_card_is_due_and_not_to_be_paid(
    as_role: Browser, acme: Tenant, invoice: Invoice, stripe: StripeServer, settings: Any
) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    credited = {invoice.lines.get().public_id: Decimal("149.70")}
    issue_credit_note(invoice.pk, credited, "slow", "balance", "ops", NOW)
    with_method(acme.workspace, stripe)
    client = as_role("billing")
    page = said(client)
    assert "Open Less than $0.50 cannot be charged: you get no reminder. $0.30" in page
    assert "Pay on Stripe's page" not in page
    assert f'action="/invoices/{invoice.public_id}/pay"' not in client.get("/billing").content.decode()
    answer = text(client.post(f"/invoices/{invoice.public_id}/pay", follow=True))
    assert f"0.30 USD are due on the invoice {invoice.number}, and less than 0.50 USD cannot be charged" in answer
    assert stripe.of("payment_intent") == []


def test_a_sandbox_is_offered_no_credit(as_role: Browser, acme: Tenant, stripe: StripeServer) -> None:
    Workspace.objects.update(sandbox=True)
    client = as_role("billing")
    page = said(client)
    assert "Amount in USD" not in page
    assert "nothing in it costs money, so it needs no credit." in page
    asked = {"amount": "50", "key": "form-0123456789abcdef"}
    assert "it needs no credit." in text(client.post("/billing/credit", asked, follow=True))
    assert TopUp.objects.count() == 0


def test_a_service_that_is_away_is_said(as_role: Browser, acme: Tenant, invoice: Invoice, stripe: StripeServer) -> None:
    stripe.fail_at(1, "die_before")
    page = text(as_role("billing").post(f"/invoices/{invoice.public_id}/pay", follow=True))
    assert "The payment service does not answer. Nothing is lost" in page


def test_a_method_is_saved_on_stripes_page_and_shows_on_return(as_role: Browser, acme: Tenant, stripe: StripeServer) -> None:
    client = as_role("billing")
    answer = client.post("/billing/method")
    (session,) = stripe.of("checkout.session")
    assert answer["Location"] == session["url"]
    assert "Payment method None" in said(client)
    stripe.complete(session["id"])
    assert "Visa 4242 expires 2030-12" in text(client.get("/billing?saved=1"))


def test_credit_is_bought_on_stripes_page(as_role: Browser, acme: Tenant, stripe: StripeServer) -> None:
    client = as_role("billing")
    asked = {"amount": "50", "key": key_in(client.get("/billing"))}
    answers = [client.post("/billing/credit", asked) for _ in range(2)]  # a double click
    assert [answer["Location"] for answer in answers] == [stripe.of("checkout.session")[0]["url"]] * 2
    assert TopUp.objects.get().amount == Decimal("50.00")
    stripe.complete(stripe.of("checkout.session")[0]["id"])
    recover_attempts(NOW)
    assert client.post("/billing/credit", asked)["Location"] == "/billing"
    assert len(stripe.of("checkout.session")) == 1


@pytest.mark.parametrize(("amount", "words"), [("1", "A top-up is 5.00 to 10000.00 USD"), ("x", "Enter a number.")])
def test_an_amount_that_will_not_do_is_said(
    as_role: Browser, acme: Tenant, stripe: StripeServer, amount: str, words: str
) -> None:
    client = as_role("billing")
    asked = {"amount": amount, "key": key_in(client.get("/billing"))}
    assert words in text(client.post("/billing/credit", asked, follow=True))
    assert TopUp.objects.count() == 0


def test_low_balances_are_taken_care_of_as_set(as_role: Browser, acme: Tenant, stripe: StripeServer) -> None:
    asked = {"low_balance": "10", "top_up_below": "20", "top_up_amount": "50", "top_ups_per_day": "2"}
    PaymentAccount.objects.create(workspace=acme.workspace, top_ups_stopped_at=NOW, top_up_stopped="Your card was declined.")
    client = as_role("billing")
    assert "Automatic top-ups have stopped: Your card was declined." in said(client)
    assert "are saved" in text(client.post("/billing/low-balance", asked, follow=True))
    account = account_of(acme.workspace)
    assert (account.low_balance, account.top_up_below, account.top_up_amount, account.top_ups_per_day) == (10, 20, 50, 2)
    assert (account.top_ups_stopped_at, account.top_up_stopped) == (None, "")


def test_the_profile_is_the_customers_and_audited(as_role: Browser, acme: Tenant) -> None:
    asked = {"legal_name": "Acme <GmbH>", "address": "Allee 1\r\nBerlin", "tax_id": "DE1"}
    asked |= {"recipients": "a@b.example\n\nc@d.example"}
    client = as_role("billing")
    page = client.post("/billing/profile", asked | {"discount_percent": "99"}, follow=True)
    assert "Acme &lt;GmbH&gt;" in page.content.decode()
    terms = BillingTerms.objects.get()
    assert (terms.legal_name, terms.recipients) == ("Acme <GmbH>", ["a@b.example", "c@d.example"])
    assert AgreedPricing.objects.count() == 0
    changes = AuditEntry.objects.get(action="terms.changed").detail["changes"]
    assert changes["tax_id"] == {"before": "", "after": "DE1"}
    assert "discount_percent" not in changes
    wrong = client.post("/billing/profile", asked | {"recipients": "nobody"})
    assert "Enter a valid email address." in wrong.content.decode()


def test_a_strangers_invoice_is_not_there(as_role: Browser, acme: Tenant, rival: Tenant, gateway: Gateway) -> None:
    make_price()
    theirs = an_invoice(rival.workspace, Meter(gateway))
    client = as_role("owner")
    assert client.post(f"/invoices/{theirs.public_id}/pay").status_code == 404
    assert client.get(f"/invoices/{theirs.public_id}/pdf").status_code == 404
    assert str(theirs.number) not in said(client)


def test_the_invoice_is_downloaded_as_pdf(as_role: Browser, acme: Tenant, invoice: Invoice) -> None:
    answer = as_role("billing").get(f"/invoices/{invoice.public_id}/pdf")
    assert (answer["Content-Type"], answer.content[:5]) == ("application/pdf", b"%PDF-")
