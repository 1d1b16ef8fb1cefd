"""Terms, credits, payments, webhooks and mails in the console: what is saved, shown and done."""

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing, BillingTerms, TaxRate
from metering.payments.balance.suspension import update_suspension
from metering.payments.booked import book_payment
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.mails.models import Notice
from metering.payments.mails.outbox import add_notice
from metering.payments.mails.sending import send_waiting
from metering.payments.models import Dispute, Payment, Refund
from metering.payments.refunds.refunds import begin_refund
from metering.payments.webhooks.models import WebhookEvent
from tests.kit.factories import NOW
from tests.kit.operator import send_form
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db


def terms_url(workspace: Workspace) -> str:
    return f"/admin/workspaces/workspace/{workspace.pk}/billing-terms/"


def test_terms_are_saved_and_audited(console: Client, acme: Workspace) -> None:
    vat = TaxRate.objects.create(name="VAT", percent=Decimal(19))
    asked = {
        "legal_name": "Acme GmbH",
        "recipients": "a@b.example\nc@d.example",
        "tax_treatment": "taxed",
        "tax_rates": [vat.pk],
        "discount_percent": "12.5",
        "minimum_commitment": "500",
        "pricing_from": "2026-12",
        "payment_days": "30",
        "mode": "prepaid",
        "suspend_when_past_due": "on",
    }
    page = send_form(console, terms_url(acme), **asked)
    assert "The billing terms are saved." in page.content.decode()
    terms = BillingTerms.objects.get()
    assert (terms.legal_name, terms.recipients, terms.payment_days) == ("Acme GmbH", ["a@b.example", "c@d.example"], 30)
    assert (terms.mode, list(terms.tax_rates.all())) == ("prepaid", [vat])
    agreed = AgreedPricing.objects.get()
    assert f"{agreed.effective_from:%Y-%m-%d}" == "2026-12-01"
    assert (agreed.discount_percent, agreed.minimum_commitment) == (Decimal("12.5"), Decimal(500))
    changes = AuditEntry.objects.get(action="terms.changed").detail["changes"]
    assert changes["tax_rates"] == {"before": [], "after": ["VAT 19 %"]}
    page = console.get(terms_url(acme))
    assert "from 2026-12 on 12.5 % and at least $500.00" in page.content.decode()
    # Its own label above the boxes, and not one of theirs beside them.
    assert type(page.context["form"].fields["tax_rates"].widget).__name__ == "UnfoldAdminCheckboxSelectMultipleWidget"
    assert "Those that are ticked are printed and added up." in page.content.decode()


def test_line_ends_are_kept_as_one(console: Client, acme: Workspace) -> None:
    usual = {"tax_treatment": "taxed", "discount_percent": "0", "mode": "postpaid"}
    send_form(console, terms_url(acme), address="Street 1\r\n10115 Berlin\rGermany", **usual)
    assert BillingTerms.objects.get().address == "Street 1\n10115 Berlin\nGermany"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"recipients": "nobody"}, "Enter a valid email address."),
        ({"discount_percent": "101"}, "less than or equal to 100"),
        ({"minimum_commitment": "5", "pricing_from": "May"}, "May"),
    ],
)
def test_terms_that_will_not_do_are_said(console: Client, acme: Workspace, asked: dict[str, str], words: str) -> None:
    usual = {"tax_treatment": "taxed", "discount_percent": "0", "mode": "postpaid"}
    assert words in send_form(console, terms_url(acme), **(usual | asked)).content.decode()
    assert BillingTerms.objects.count() == 0


def test_credit_is_granted_and_taken_back(console: Client, acme: Workspace) -> None:
    url = f"/admin/workspaces/workspace/{acme.pk}/grant-credit/"
    send_form(console, url, kind="promotional", amount="25.00", priority="10", note="Welcome")
    grant = CreditGrant.objects.get()
    assert (grant.kind, grant.amount, grant.priority, grant.granted_by) == (
        "promotional",
        Decimal("25.00"),
        10,
        "operator@omixa.example",
    )
    assert "$25.00" in console.get("/admin/metering/creditgrant/").content.decode()
    send_form(console, f"/admin/metering/creditgrant/{grant.pk}/take-back/", reason="by mistake")
    assert ledger.remaining_grants(acme) == []
    assert "by mistake" in console.get(f"/admin/metering/creditgrant/{grant.pk}/change/").content.decode()


def test_terms_and_credit_decide_at_once_whether_live_keys_work(console: Client, acme: Workspace) -> None:
    def why() -> str:
        acme.refresh_from_db()
        return acme.suspended_because

    usual = {"tax_treatment": "taxed", "discount_percent": "0"}
    send_form(console, terms_url(acme), mode="prepaid", **usual)
    assert why() == "Its prepaid credit is used up."
    granted = {"kind": "goodwill", "amount": "5.00", "priority": "100"}
    send_form(console, f"/admin/workspaces/workspace/{acme.pk}/grant-credit/", **granted)
    assert why() == ""
    ledger.reverse(CreditGrant.objects.get(), "by mistake", "ops", NOW, Decimal("5.00"))
    update_suspension(acme.pk, NOW)
    assert why() == "Its prepaid credit is used up."
    send_form(console, terms_url(acme), mode="postpaid", **usual)
    assert why() == ""


def test_a_payment_is_refunded(console: Client, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer", "ops", NOW)
    payment = Payment.objects.get()
    url = f"/admin/metering/payment/{payment.pk}/refund/"
    assert "so nothing here can send the money: you send it yourself" in console.get(url).content.decode()
    page = send_form(console, url, amount="200.00", reason="too much", reference="wire 18")
    assert "150.00 of this payment are left to give back." in page.content.decode()
    assert "This field is required" in send_form(console, url, amount="20.00", reason="too much").content.decode()
    done = send_form(console, url, amount="20.00", reason="too much", reference="wire 18").content.decode()
    assert "$20.00 are recorded as refunded: wire 18. Nothing was sent from here." in done
    payment.refresh_from_db()
    assert (payment.refunded, payment.reference, Refund.objects.get().reference) == (Decimal("20.00"), "transfer", "wire 18")
    assert AuditEntry.objects.get(action="payment.refund").detail["reference"] == "wire 18"
    assert url in console.get(f"/admin/metering/payment/{payment.pk}/change/").content.decode()
    send_form(console, url, amount="130.00", reason="the rest", reference="wire 19")
    assert url not in console.get(f"/admin/metering/payment/{payment.pk}/change/").content.decode()


def test_a_refund_through_stripe_asks_for_no_reference(console: Client, acme: Workspace) -> None:
    payment = Payment.objects.create(
        workspace=acme, amount=Decimal(5), method="stripe", intent_id="pi_1", received_at=NOW, recorded_by="stripe"
    )
    page = console.get(f"/admin/metering/payment/{payment.pk}/refund/").content.decode()
    assert ('name="reference"' in page, "you send it yourself" in page, "Refund through Stripe" in page) == (False, False, True)


def no(method: str, path: str, asked: Any) -> bool:
    return method == "POST" and "refunds" in path


@pytest.mark.parametrize(
    ("refused", "said", "level", "status"),
    [
        ({}, "The refund of $10.00 is made.", "success", "succeeded"),
        (
            {"status": 400, "code": "account_invalid", "message": "Your account is restricted."},
            "Stripe did not confirm the refund of $10.00: it is asked again, and makes it once.",
            "warning",
            "started",
        ),
        (
            {"status": 500, "type": "api_error", "message": "down"},
            "Stripe did not confirm the refund of $10.00: it is asked again, and makes it once.",
            "warning",
            "started",
        ),
        (
            {"status": 400, "code": "charge_already_refunded", "message": "Charge has already been refunded."},
            "The refund of $10.00 failed, and nothing went back.",
            "error",
            "failed",
        ),
    ],
)
def test_what_became_of_a_refund_is_said_as_it_is(
    console: Client, acme: Workspace, invoice: Invoice, stripe: StripeServer, refused: Any, said: str, level: str, status: str
) -> None:
    with_method(acme, stripe)
    collect_invoice(invoice.pk, NOW)
    if refused:
        stripe.refuse(no, **refused)
    page = f"/admin/metering/payment/{Payment.objects.get().pk}/refund/"
    answer = send_form(console, page, amount="10.00", reason="an outage")
    assert Refund.objects.get().status == status
    (message,) = answer.context["messages"]
    assert (message.level_tag, str(message)[: len(said)]) == (level, said)


def test_a_webhook_is_replayed(console: Client, stripe: StripeServer) -> None:
    event = WebhookEvent.objects.create(
        event_id="evt_1",
        type="invoice.created",
        payload={"data": {"object": {"id": "in_1"}}},
        created_at=NOW,
        received_at=NOW,
        status="failed",
        error="<b>broken</b>",
    )
    page = console.get(f"/admin/metering/webhookevent/{event.pk}/change/").content.decode()
    assert "&lt;b&gt;broken&lt;/b&gt;" in page
    send_form(console, f"/admin/metering/webhookevent/{event.pk}/replay/")
    event.refresh_from_db()
    assert event.status == "ignored"


def test_a_mail_that_failed_is_found_and_sent_again(console: Client, acme: Workspace, monkeypatch: Any) -> None:
    def away(*_: Any) -> int:
        raise ConnectionRefusedError("<b>no</b> mail server")

    about = {"invoice_id": "inv_1", "number": "OMX-1", "total": "1.00"}
    add_notice(acme, "invoice_paid", "failed", about, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", away)
        send_waiting(NOW)
    add_notice(acme, "invoice_paid", "untried", about, NOW)
    notice = Notice.objects.get(key="failed")
    listed = console.get("/admin/metering/notice/?state=waiting")
    assert [each.key for each in listed.context["cl"].result_list] == ["failed"]
    assert "ConnectionRefusedError: &lt;b&gt;no&lt;/b&gt; mail server" in listed.content.decode()
    url = f"/admin/metering/notice/{notice.pk}/send-again/"
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", away)
        page = send_form(console, url).content.decode()
    assert "The mail is not sent, and is tried again. ConnectionRefusedError" in page
    assert "The mail is sent." in send_form(console, url).content.decode()
    assert [each.subject for each in mail.outbox] == ["Invoice OMX-1 is paid"]
    assert "its readers get it twice" in console.get(url).content.decode()


def test_the_overview_shows_what_a_person_must_decide_until_it_is_over(console: Client, acme: Workspace) -> None:
    running = {"status": "needs_response", "opened_at": NOW, "updated_at": NOW}
    made = {"workspace": acme, "method": "stripe", "received_at": NOW, "recorded_by": "stripe"}
    surplus = Payment.objects.create(amount=Decimal(5), intent_id="pi_1", surplus="0.00 were due", **made)
    book_payment(surplus, None, NOW)
    grant = ledger.grant(acme, "purchased", Decimal(5), "stripe", NOW)
    Payment.objects.create(amount=Decimal(5), intent_id="pi_2", grant=grant, **made)
    dispute = Dispute.objects.create(payment=surplus, stripe_id="dp_1", amount=Decimal(5), reason="fraudulent", **running)
    add_notice(acme, "invoice_paid", "k", {}, NOW)
    Notice.objects.update(tries=1, error="ConnectionRefusedError")

    def shown() -> dict[str, str]:
        alerts = {each["title"]: each for each in console.get("/admin/").context["alerts"]}
        titles = ("Disputes", "Surplus payments", "Mails not sent")
        for title in titles:
            found = console.get(alerts[title]["link"]).context["cl"].result_list
            assert f"{len(found)}" == alerts[title]["value"]
            assert alerts[title]["calm"] == (not found)
        return {title: alerts[title]["value"] for title in titles}

    assert shown() == {"Disputes": "1", "Surplus payments": "1", "Mails not sent": "1"}
    dispute.status = "lost"
    dispute.save()
    begin_refund(surplus.pk, Decimal(5), "it came twice", "ops", NOW, reference="wire 1", outside=True)
    Notice.objects.update(sent_at=NOW)
    assert shown() == {"Disputes": "0", "Surplus payments": "0", "Mails not sent": "0"}


def test_tax_rates_are_added_and_never_edited(console: Client) -> None:
    add = "/admin/metering/taxrate/add/"
    assert "VAT 19 % can be chosen in billing terms." in send_form(console, add, name="VAT", percent="19").content.decode()
    rate = TaxRate.objects.get()
    assert AuditEntry.objects.get(action="taxrate.created").target == "VAT 19 %"
    assert (
        "A rate with this name and percentage exists already"
        in send_form(console, add, name="VAT", percent="19.000").content.decode()
    )
    assert "less than or equal to 100" in send_form(console, add, name="VAT", percent="101").content.decode()
    console.post(f"/admin/metering/taxrate/{rate.pk}/change/", {"name": "VAT", "percent": "20"})
    rate.refresh_from_db()
    assert rate.percent == 19


@pytest.mark.parametrize(("name", "percent"), [("VAT 19 %", "19"), ("VAT 19%", "19"), ("19 % VAT", "7")])
def test_a_tax_whose_name_holds_a_percentage_is_refused(console: Client, name: str, percent: str) -> None:
    refused = send_form(console, "/admin/metering/taxrate/add/", name=name, percent=percent).content.decode()
    assert "Leave the percentage out of the name: invoices print it after the name." in refused
    assert not TaxRate.objects.exists()
    assert not AuditEntry.objects.filter(action="taxrate.created").exists()


def test_bookkeepers_get_their_files(console: Client, invoice: Invoice) -> None:
    url = "/admin/metering/invoice/export/"
    page = console.get(url)
    asked = {"kind": "invoices", "first": "2026-10", "last": "2026-10", "form_token": page.context["form_token"]}
    answer: Any = console.post(url, asked)
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert (answer["Content-Type"], len(lines)) == ("text/csv; charset=utf-8", 2)
    assert lines[1].startswith(f"invoice,{invoice.number},open,")
    again: Any = console.post(url, asked)  # the page of a download stays open
    assert b"".join(again.streaming_content).decode().splitlines() == lines
    wrong = send_form(console, url, kind="invoices", first="2026-10", last="2026-09")
    assert "The last month is before the first." in wrong.content.decode()


TABLES = ("payment", "paymentattempt", "topup", "dispute", "webhookevent", "notice", "creditgrant", "taxrate", "jobrun")


@pytest.mark.parametrize("table", TABLES)
def test_every_table_opens_for_operators_only(console: Client, invoice: Invoice, table: str) -> None:
    add_notice(invoice.workspace, "invoice_paid", "k", {}, NOW)
    mark_paid(invoice.pk, "transfer", "ops", NOW)
    url = reverse(f"admin:metering_{table}_changelist")
    assert console.get(url).status_code == 200
    assert Client().get(url).status_code == 302


@pytest.mark.parametrize("table", ["payment", "creditgrant", "notice"])
def test_a_longer_list_takes_no_more_queries(
    console: Client, acme: Workspace, table: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(25):
        ledger.grant(acme, "goodwill", Decimal(1 + number), "ops", NOW)
        add_notice(acme, "invoice_paid", f"k{number}", {}, NOW)
        Payment.objects.create(
            workspace=acme, amount=Decimal(1), method="by_hand", reference="x", received_at=NOW, recorded_by="ops"
        )
    with django_assert_max_num_queries(20):
        assert console.get(reverse(f"admin:metering_{table}_changelist")).status_code == 200
