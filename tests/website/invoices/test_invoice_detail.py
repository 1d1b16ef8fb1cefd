"""One invoice on its page: sums that add up, where it stands in the customer's words, how it is paid and what came of it."""

from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from metering.catalogue.set_price import set_factor
from metering.credits import ledger
from metering.invoicing.lifecycle import void
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing, BillingTerms, TaxRate
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Dunning
from metering.payments.refunds import reversals
from tests.kit.billing import AUGUST, Meter, an_invoice, at, tokens
from tests.kit.factories import NOW
from tests.kit.pages import text_of, words_of
from tests.kit.paying import with_method
from tests.kit.people import Browser, browser_of
from tests.kit.stripe_server import DECLINED, StripeServer
from tests.website.conftest import Tenant
from workspaces.models import User

pytestmark = pytest.mark.django_db

LONG = "PO-" + "X" * 150


def page(browser: Client, invoice: Invoice, more: str = "") -> str:
    return words_of(browser.get(f"/invoices/{invoice.public_id}{more}"))


# --- Sums ------------------------------------------------------------------------------------------------------------


def test_its_sums_add_up_from_what_the_print_view_says_was_due_at_issue(acme: Tenant, meter: Meter, owner: Client) -> None:
    terms = BillingTerms.objects.create(workspace=acme.workspace)
    terms.tax_rates.add(TaxRate.objects.create(name="VAT Germany", percent=Decimal(19)))
    ledger.grant(acme.workspace, "promotional", Decimal("5.00"), "ops", at("09-01T00:00"))
    ledger.grant(acme.workspace, "goodwill", Decimal("7.00"), "ops", at("09-01T00:00"))
    invoice = an_invoice(acme.workspace, meter)
    line = invoice.lines.get()
    reversals.issue_credit_note(invoice.pk, {line.public_id: Decimal("10.00")}, "an outage", "", "ops", NOW)
    mark_paid(invoice.pk, "transfer 4711", "anna", NOW)
    assert (
        "Subtotal exactly $150.00 $150.00 Promotional credits -$5.00 VAT Germany 19 % $27.55 Total $172.55 "
        "Credits applied -$7.00 Credited -$11.90 Paid -$153.65 Amount due $0.00 USD"
    ) in page(owner, invoice)
    assert Decimal("150.00") - 5 + Decimal("27.55") - 7 - Decimal("11.90") - Decimal("153.65") == 0
    assert (
        "Subtotal 150.00 exact 150.00 Promotional credits -5.00 VAT Germany 19 % 27.55 Total 172.55 "
        "Credits applied -7.00 Amount due USD 165.55"
    ) in page(owner, invoice, "/print")


def test_the_preview_adds_up_too(acme: Tenant, meter: Meter, owner: Client) -> None:
    ledger.grant(acme.workspace, "goodwill", Decimal("1.00"), "ops", at("09-01T00:00"))
    meter(acme.key, "10-02T10:00", usage=tokens(input=2_000_000))
    words = words_of(owner.get("/invoices/upcoming"))
    assert "Subtotal exactly $3.00 $3.00 Tax $0.00 Total $3.00 Credits applied -$1.00 Amount due $2.00 USD" in words


def test_a_discount_shows_no_tokens_and_is_tagged_when_it_adjusts(acme: Tenant, meter: Meter, owner: Client) -> None:
    AgreedPricing.objects.create(workspace=acme.workspace, effective_from=AUGUST.start, discount_percent=10)
    an_invoice(acme.workspace, meter)
    meter(acme.key, "09-20T10:00", "10-02T10:00", usage=tokens(input=1_000_000))
    words = words_of(owner.get("/invoices/upcoming"))
    assert "Discount of 10 % on list prices -$0.15 -$0.15" in words
    assert "September 2026: codex-mini, input Adjustment 1,000,000 $1.500000 $1.50 $1.50" in words
    assert "September 2026: Discount of 10 % on list prices Adjustment -$0.15 -$0.15" in words
    assert "$0.000000" not in words


def test_a_discount_leads_to_no_requests(acme: Tenant, meter: Meter, owner: Client) -> None:
    AgreedPricing.objects.create(workspace=acme.workspace, effective_from=AUGUST.start, discount_percent=10)
    invoice = an_invoice(acme.workspace, meter)
    line = invoice.lines.get(kind="discount")
    assert line.public_id not in text_of(owner.get(f"/invoices/{invoice.public_id}"))
    words = page(owner, invoice, f"/lines/{line.public_id}")
    assert "Agreed for the month as a whole: it bills no requests of its own." in words
    assert "No requests under this line" not in words


def test_a_line_does_not_show_the_prices_id(invoice: Invoice, owner: Client) -> None:
    line = invoice.lines.get()
    answer = owner.get(f"/invoices/{invoice.public_id}/lines/{line.public_id}")
    assert "USD per 1M tokens $1.500000 Exact amount" in words_of(answer)
    assert line.price not in text_of(answer)


def test_a_line_of_a_tier_that_is_a_factor_names_it(acme: Tenant, meter: Meter, owner: Client) -> None:
    set_factor("codex-mini", "batch", Decimal("0.5"), actor="ops", now=NOW, effective_from=AUGUST.start)
    meter(acme.key, "09-14T10:00", usage=tokens(input=100_000_000), service_tier="batch")
    line = an_invoice(acme.workspace, meter).lines.get(service_tier="batch")
    words = words_of(owner.get(f"/invoices/{line.invoice.public_id}/lines/{line.public_id}"))
    assert "USD per 1M tokens $0.750000 0.5 times the default tier's rates Exact amount" in words


# --- Where it stands -------------------------------------------------------------------------------------------------


def shown_everywhere(browser: Client, invoice: Invoice, word: str, badge: str) -> None:
    """On the list, the page and the print view alike."""
    markup = f'<span class="{badge}">{word}</span>'
    assert markup in text_of(browser.get("/invoices"))
    assert markup in text_of(browser.get(f"/invoices/{invoice.public_id}"))
    assert f"{word} Print Invoice {invoice.number} Amount due" in page(browser, invoice, "/print")


def test_nothing_is_due_on_a_void_one_and_it_leads_to_its_successor(invoice: Invoice, owner: Client) -> None:
    void.void(invoice.pk, "wrong address", "ops", NOW)
    draft = void.reissue(invoice.pk, "ops", NOW)
    assert "Its month is billed by a new draft ." in page(owner, invoice)
    finalize(draft.pk, "ops", NOW)
    words = page(owner, invoice)
    assert "This invoice is void: nothing is due on it. wrong address" in words
    assert f'<a href="/invoices/{draft.public_id}">invoice OMX-2026-00002</a>' in text_of(
        owner.get(f"/invoices/{invoice.public_id}")
    )
    assert "Amount due $0.00 nothing is due" in words
    assert "due 29 Oct 2026" not in words
    assert "OMX-2026-00001 September 2026 Void 15 Oct 2026 not due $150.00 $0.00" in words_of(owner.get("/invoices"))
    shown_everywhere(owner, invoice, "Void", "badge")


def test_an_uncollectible_one_is_overdue_to_the_customer(invoice: Invoice, owner: Client) -> None:
    void.mark_uncollectible(invoice.pk, "insolvent", "ops", NOW)
    shown_everywhere(owner, invoice, "Overdue", "badge badge--warn")
    for more in ("", "/print"):
        assert "ncollectible" not in page(owner, invoice, more)
        assert "insolvent" not in page(owner, invoice, more)  # the operator's own note


def test_one_past_its_day_is_overdue(acme: Tenant, meter: Meter, owner: Client) -> None:
    BillingTerms.objects.create(workspace=acme.workspace, payment_days=1)
    invoice = an_invoice(acme.workspace, meter)
    shown_everywhere(owner, invoice, "Open", "badge badge--accent")
    with time_machine.travel(at("10-16T12:01"), tick=False):
        next_day = browser_of(User.objects.get(email="owner@acme.example"))  # the session of the day before has ended
        shown_everywhere(next_day, invoice, "Overdue", "badge badge--warn")
    Dunning.objects.create(invoice=invoice, state="past_due", began_at=NOW)
    shown_everywhere(owner, invoice, "Overdue", "badge badge--bad")


def test_a_failed_payment_names_the_next_try(acme: Tenant, invoice: Invoice, owner: Client, stripe: StripeServer) -> None:
    with_method(acme.workspace, stripe, DECLINED)
    collect_invoice(invoice.pk, NOW)
    shown_everywhere(owner, invoice, "Failed, next try 18 Oct 2026", "badge badge--warn")


def test_one_that_was_taken_back_before_it_was_paid_is_credited(invoice: Invoice, owner: Client) -> None:
    reversals.issue_credit_note(invoice.pk, None, "a mistake", "", "ops", NOW)
    shown_everywhere(owner, invoice, "Credited", "badge")
    assert "Total $150.00 USD Credited 15 Oct 2026 nothing is due" in page(owner, invoice)


def test_one_whose_money_went_back_is_refunded(invoice: Invoice, owner: Client) -> None:
    mark_paid(invoice.pk, "transfer 4711", "anna", NOW)
    shown_everywhere(owner, invoice, "Paid", "badge badge--good")
    reversals.issue_credit_note(invoice.pk, None, "an outage", "outside", "ops", NOW, reference="transfer 4712")
    shown_everywhere(owner, invoice, "Refunded", "badge")
    words = page(owner, invoice)
    assert "Payment transfer 4711 15 Oct 2026 By hand $150.00" in words
    assert "Refund for OMX-CN-2026-00001 15 Oct 2026 By hand -$150.00" in words
    assert "OMX-CN-2026-00001 an outage 15 Oct 2026 $0.00 $150.00 Settled outside $150.00" in words


def test_one_partly_taken_back_stays_paid(invoice: Invoice, owner: Client) -> None:
    line = invoice.lines.get()
    reversals.issue_credit_note(invoice.pk, {line.public_id: Decimal("10.00")}, "an outage", "", "ops", NOW)
    mark_paid(invoice.pk, "transfer 4711", "anna", NOW)
    shown_everywhere(owner, invoice, "Paid", "badge badge--good")


# --- Paying it -------------------------------------------------------------------------------------------------------


def test_it_is_paid_from_its_page(acme: Tenant, invoice: Invoice, owner: Client, stripe: StripeServer) -> None:
    address = f"/invoices/{invoice.public_id}"
    assert f'<form class="buttons" method="post" action="{address}/pay">' in text_of(owner.get(address))
    assert "Pay on Stripe's page" in page(owner, invoice)
    with_method(acme.workspace, stripe)
    assert "Pay $150.00 with Visa 4242 , invoice OMX-2026-00001 Pay on Stripe's page" in page(owner, invoice)
    owner.post(f"{address}/pay")
    assert [intent["amount"] for intent in stripe.succeeded()] == [15_000]
    assert "Pay " not in page(owner, invoice)
    assert "Payment 15 Oct 2026 Stripe $150.00" in page(owner, invoice)


def test_without_stripe_it_says_how_to_pay(invoice: Invoice, owner: Client, settings: Any) -> None:
    settings.PAYMENT_INSTRUCTIONS = "Transfer to IBAN DE02."
    assert "How to pay Transfer to IBAN DE02." in page(owner, invoice)
    assert f"/invoices/{invoice.public_id}/pay" not in text_of(owner.get(f"/invoices/{invoice.public_id}"))
    mark_paid(invoice.pk, "transfer 4711", "anna", NOW)
    assert "IBAN" not in page(owner, invoice)


def test_it_says_to_whom_and_why_without_tax(acme: Tenant, meter: Meter, owner: Client) -> None:
    BillingTerms.objects.create(
        workspace=acme.workspace,
        legal_name="Acme <GmbH>",
        address="Allee 1\nBerlin",
        tax_id="DE1",
        purchase_order=LONG,
        tax_treatment="reverse_charge",
        recipients=["ap@acme.example"],
    )
    invoice = an_invoice(acme.workspace, meter)
    assert (
        "Billed to As the invoice prints it. Name Acme <GmbH> Address Allee 1 Berlin Tax id DE1 Sent to ap@acme.example "
        f"Purchase order {LONG} Tax Reverse charge: the recipient of the service accounts for the tax."
    ) in page(owner, invoice)


def test_a_viewer_is_kept_out(invoice: Invoice, as_role: Browser) -> None:
    assert as_role("viewer").get(f"/invoices/{invoice.public_id}").status_code == 403
