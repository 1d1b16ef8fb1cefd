"""What is agreed with a workspace, and credit for it: acts on the workspace's page. And the named tax rates."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.validators import validate_email
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action

from metering import dollars
from metering.console.money.workspaces import payouts
from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.terms.change import AGREED, PROFILE, save_terms
from metering.invoicing.terms.in_force import in_force, pricing_of, terms_of
from metering.invoicing.terms.models import AgreedPricing, BillingTerms, TaxRate
from metering.periods import month_of, parse_month
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.models import Workspace


class TermsForm(forms.Form):
    legal_name = fields.text("legal name", "As invoices print it. Empty: the workspace's name.", required=False, max_length=200)
    address = fields.long_text("address", required=False, max_length=1000)
    tax_id = fields.text("tax id", required=False, max_length=60)
    recipients = fields.long_text("invoices go to", "One address a line. Empty: the workspace's own.", required=False)
    purchase_order = fields.text("purchase order", "Printed on every invoice.", required=False, max_length=200)
    tax_treatment = fields.choice("tax", list(BillingTerms.TaxTreatment.choices))
    tax_rates = fields.choices_of("tax rates", TaxRate.objects.all(), "Those that are ticked are printed and added up.")
    tax_note = fields.text("note when no tax is charged", "Empty: the standard text.", required=False, max_length=300)
    payment_days = fields.number_field("days until due", "Empty: the setting's.", required=False, min_value=0, max_value=365)
    discount_percent = fields.amount(
        "discount in percent", "On list prices; not on the workspace's own.", min_value=0, max_value=100, decimal_places=2
    )
    minimum_commitment = fields.amount(
        "minimum per month (USD)", "Empty: none.", required=False, min_value=Decimal("0.01"), decimal_places=2
    )
    pricing_from = fields.text(
        "discount and minimum hold from",
        "YYYY-MM. Empty: the running month. Months before it, and months already invoiced, keep theirs.",
        required=False,
        max_length=7,
    )
    mode = fields.choice("pays", list(BillingTerms.Mode.choices))
    suspend_when_past_due = fields.switch_field("suspend live keys while an invoice is overdue with no retry left")

    def clean_recipients(self) -> list[str]:
        addresses = [line.strip() for line in self.cleaned_data["recipients"].splitlines() if line.strip()]
        for address in addresses:
            validate_email(address)
        return addresses

    def clean_pricing_from(self) -> Any:
        try:
            return parse_month(self.cleaned_data["pricing_from"]).start if self.cleaned_data["pricing_from"] else None
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class TaxRateForm(forms.Form):
    name = fields.text("name", "Such as “VAT Germany”. Invoices print the percentage after it.", max_length=100)
    percent = fields.amount("percent", min_value=0, max_value=100, max_digits=6, decimal_places=3)

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if "%" in name:
            raise forms.ValidationError("Leave the percentage out of the name: invoices print it after the name.")
        return name

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        if not self.errors and TaxRate.objects.filter(**asked).exists():
            self.add_error("name", "A rate with this name and percentage exists already.")
        return asked


class CreditForm(forms.Form):
    kind = fields.choice("kind", list(CreditGrant.Kind.choices), "Promotional credit lowers invoices before tax.")
    amount = fields.amount("amount (USD)", min_value=Decimal("0.01"), decimal_places=2, max_digits=12)
    expires_at = fields.instant_field(
        "expires (UTC)", "Counts for every month in which it was valid. Empty: never.", required=False
    )
    priority = fields.number_field("priority", "Lower is used first.", min_value=0, max_value=1000)
    note = fields.text("note", "The customer reads it.", required=False, max_length=300)


class MoneyOfAWorkspace:
    """Acts for the workspace's admin."""

    @action(description="Billing terms", url_path="billing-terms", icon="contract")
    def billing_terms(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        back = reverse("admin:workspaces_workspace_change", args=[workspace.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            rates, now = list(asked.pop("tax_rates")), timezone.now()
            save_terms(workspace, asked, rates, actor_of(request), now)
            messages.success(request, "The billing terms are saved. Drafts follow them at their next refresh.")
            return redirect(back)

        page = FormPage(
            "Save the billing terms",
            act,
            back,
            TermsForm,
            f"Finalized invoices keep what they print. Discount and minimum so far: {pricing_in_words(pricing_of(workspace))}.",
            initial=initial_of(terms_of(workspace), timezone.now()),
        )
        return page.respond(request, self, workspace)

    @action(description="Grant credit", url_path="grant-credit", icon="redeem")
    def grant_credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            now = timezone.now()
            grant = ledger.grant(workspace, asked.pop("kind"), asked.pop("amount"), actor_of(request), now, **asked)
            messages.success(request, f"{dollars.usd_text(grant.amount)} are granted.")
            return redirect(reverse("admin:metering_creditgrant_change", args=[grant.pk]))

        page = FormPage(
            "Grant credit",
            act,
            reverse("admin:workspaces_workspace_change", args=[workspace.pk]),
            CreditForm,
            submit="Grant the credit",
            initial={"kind": "goodwill", "priority": 100},
        )
        return page.respond(request, self, workspace)

    @action(description="Pay out", url_path="pay-out", icon="outbound")
    def pay_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return payouts.payout_page(request, self, object_id)

    @action(description="Credits", url_path="credits", icon="redeem")
    def credits(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        return redirect(f"{reverse('admin:metering_creditgrant_changelist')}?workspace__id__exact={workspace.pk}")


def initial_of(terms: BillingTerms, now: datetime) -> dict[str, Any]:
    agreed = in_force(pricing_of(terms.workspace), month_of(now).start)
    return {name: getattr(terms, name) for name in (*PROFILE, *AGREED) if name != "recipients"} | {
        "recipients": "\n".join(terms.recipients),
        "tax_rates": terms.tax_rates.all() if terms.pk else [],
        "discount_percent": agreed.discount_percent,
        "minimum_commitment": agreed.minimum_commitment,
    }


def pricing_in_words(agreed: list[AgreedPricing]) -> str:
    """Such as "from 2026-08 on 10 % and no minimum, from 2026-12 on 12.5 % and at least $500.00"."""
    return (
        ", ".join(
            f"from {each.effective_from:%Y-%m} on {each.discount_percent.normalize():f} % and "
            + ("no minimum" if each.minimum_commitment is None else f"at least {dollars.usd_text(each.minimum_commitment)}")
            for each in agreed
        )
        or "none"
    )


class TaxRateAdmin(OperatorAdmin):
    """Added and never edited: terms and invoices name them. Another percentage is another rate."""

    may_add = True
    list_display = ("name", "percent")
    when_empty = "Billing terms name the rates that a workspace is taxed at."
    fields = ("name", "percent")

    readonly_fields = fields

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        back = reverse("admin:metering_taxrate_changelist")

        def act(asked: dict[str, Any]) -> HttpResponse:
            rate = TaxRate.objects.create(**asked)
            self.log_addition(request, rate, "")
            messages.success(request, f"{rate} can be chosen in billing terms.")
            return redirect(back)

        intro = "A rate is never edited, for terms and invoices name it. Another percentage is another rate."
        return FormPage("Add a tax rate", act, back, TaxRateForm, intro, "Add the tax rate").respond(request, self)


admin.site.register(TaxRate, TaxRateAdmin)
