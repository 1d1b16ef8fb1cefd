"""A workspace's page says how its money stands."""

from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from metering.credits import ledger
from metering.invoicing.terms.models import AgreedPricing, BillingTerms, TaxRate
from metering.payments.models import Dunning, PaymentAccount
from tests.kit.billing import Meter, an_invoice, tokens
from tests.kit.factories import NOW, make_key, make_workspace
from tests.kit.operator import facts_about_money, workspace_page
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def test_a_new_customer_owes_nothing_and_has_nothing(console: Client, acme: Workspace) -> None:
    assert facts_about_money(console, acme) == {
        "Pays": "postpaid: invoiced every month",
        "Terms": "list prices, no tax, due after 14 days",
        "Fees": "none",
        "Balance": "no credit, $0.00 used, not invoiced yet",
        "Credits left": "none",
        "Owed": "nothing",
        "Dunning": "none",
        "Payment method": "none saved",
        "Live keys": "work",
    }


def test_everything_that_can_be_so_is_said(console: Client, acme: Workspace, use: Meter) -> None:
    invoice = an_invoice(acme, use)
    terms = BillingTerms.objects.create(
        workspace=acme,
        mode="prepaid",
        payment_days=30,
    )
    december = NOW.replace(month=12, day=1, hour=0)
    AgreedPricing.objects.create(
        workspace=acme, effective_from=december, discount_percent=Decimal("12.50"), minimum_commitment=Decimal(500)
    )
    terms.tax_rates.add(TaxRate.objects.create(name="VAT", percent=Decimal(19)))
    ledger.grant(acme, "promotional", Decimal("25.00"), "tests", NOW)
    ledger.grant(acme, "purchased", Decimal("200.00"), "tests", NOW)
    use(make_key(acme, name="other"), "10-14T10:00", usage=tokens(input=10_000_000))
    PaymentAccount.objects.create(
        workspace=acme,
        customer_id="cus_1",
        method_id="pm_1",
        method_kind="card",
        brand="visa",
        last_four="4242",
        expires_year=2030,
        expires_month=7,
        top_up_below=Decimal(10),
        top_up_amount=Decimal(50),
    )
    Dunning.objects.create(invoice=invoice, state="retrying", began_at=NOW, next_retry_at=NOW + timedelta(days=3))
    Workspace.objects.filter(pk=acme.pk).update(
        suspended_at=NOW, suspensions=["no_credit"], suspended_because="Its prepaid credit is used up."
    )
    assert facts_about_money(console, acme) == {
        "Pays": "prepaid: from its credit, and its live keys stop when that is used up",
        "Terms": "from 2026-12 on 12.5 % and at least $500.00, VAT 19 %, due after 30 days",
        "Fees": "none",
        "Balance": "$210.00: $225.00 of credit less $15.00 used, not invoiced yet",
        "Credits left": "$25.00 promotional, $200.00 purchased",
        "Owed": "$150.00 on 1 invoice",
        "Dunning": "OMX-2026-00001 is tried again at 2026-10-18 12:00:00 UTC",
        "Payment method": "visa ending in 4242, expires 2030-07; buys $50.00 below $10.00",
        "Live keys": "refused since 2026-10-15 12:00:00 UTC. Its prepaid credit is used up.",
    }
    page = unescape(console.get(workspace_page(acme)).content.decode())
    assert "customer: pays from credit that it buys before" in page
    listing = reverse("admin:metering_invoice_changelist")
    for address in (
        f"{listing}?receivable=open&workspace__id__exact={acme.pk}",
        f"{reverse('admin:metering_creditgrant_changelist')}?workspace__id__exact={acme.pk}",
        f"{reverse('admin:metering_paymentattempt_changelist')}?workspace__id__exact={acme.pk}",
        reverse("admin:workspaces_workspace_billing_terms", args=[acme.pk]),
        reverse("admin:workspaces_workspace_grant_credit", args=[acme.pk]),
        reverse("admin:metering_invoice_change", args=[invoice.pk]),
    ):
        assert f'href="{address}"' in page
    answer = console.get(f"{listing}?receivable=open&workspace__id__exact={acme.pk}")
    assert list(answer.context["cl"].result_list) == [invoice]


def test_what_is_past_due_is_said(console: Client, acme: Workspace, use: Meter) -> None:
    invoice = an_invoice(acme, use)
    Dunning.objects.create(invoice=invoice, state="past_due", began_at=NOW, past_due_at=NOW)
    assert (
        facts_about_money(console, acme)["Dunning"]
        == "OMX-2026-00001 is overdue with no retry left since 2026-10-15 12:00:00 UTC"
    )
    other = make_workspace("Other")
    assert (facts_about_money(console, other)["Dunning"], facts_about_money(console, other)["Owed"]) == ("none", "nothing")


@pytest.mark.parametrize(("treatment", "said"), [("exempt", "exempt"), ("reverse_charge", "reverse charge")])
def test_why_there_is_no_tax_is_said(console: Client, acme: Workspace, treatment: str, said: str) -> None:
    BillingTerms.objects.create(workspace=acme, tax_treatment=treatment, payment_days=0)
    assert facts_about_money(console, acme)["Terms"] == f"list prices, {said}, due at once"


def test_a_sandbox_has_no_money(console: Client) -> None:
    sandbox = make_workspace("Playground", sandbox=True)
    page = console.get(workspace_page(sandbox)).content.decode()
    assert "sandbox: metered and priced, never invoiced" in page
    assert "Money of" not in page
    assert console.get(reverse("admin:workspaces_workspace_change", args=[0])).status_code == 302
