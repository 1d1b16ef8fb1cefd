"""What is owed to customers, and the transfers by which it was paid out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from metering import dollars
from metering.checked_inputs import LONGEST_REFERENCE
from metering.console import figures
from metering.payments.refunds.models import Payout
from metering.payments.refunds.payouts import OwedToCustomer, owed_to, owed_to_customers, pay_out
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.models import Workspace

COLUMNS = ["Workspace", "#Surplus payments", "#Withdrawn credit", "#Failed refunds", "#Credit", "#Corrections", "#Owed"]


class PayoutForm(forms.Form):
    amount = fields.amount("amount (USD)", min_value=Decimal("0.01"), decimal_places=2, max_digits=12)
    reference = fields.text("reference", "Where to find the transfer that you sent.", max_length=LONGEST_REFERENCE)


def payout_page(request: HttpRequest, of: Any, pk: str) -> HttpResponse:
    workspace = get_object_or_404(Workspace, pk=pk)
    owed = owed_to(workspace)

    def act(asked: dict[str, Any]) -> HttpResponse:
        made = pay_out(workspace, asked["amount"], asked["reference"], actor_of(request), timezone.now())
        messages.success(request, f"{dollars.usd_text(made.amount)} are recorded as paid out. Nothing was sent from here.")
        return redirect(reverse("admin:metering_payout_change", args=[made.pk]))

    intro = f"{dollars.usd_text(owed.total)} are owed to {workspace}. You send the money yourself, and record it here."
    back = reverse("admin:workspaces_workspace_change", args=[workspace.pk])
    page = FormPage("Pay out", act, back, PayoutForm, intro, "Record the payout", initial={"amount": owed.total})
    return page.respond(request, of, workspace)


class PayoutAdmin(OperatorAdmin):
    called = "Owed to customers"
    when_empty = "Transfers to customers appear here once they are recorded on a workspace's page."
    list_display = ("public_id", "workspace", "amount_text", "reference", "paid_at", "paid_by")
    list_filter = (("workspace", AutocompleteSelectFilter),)
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact", "reference__icontains")
    ordering = ("-id",)
    sortable_by = ()
    fields = (("workspace", "amount_text"), ("reference", "paid_at"), ("paid_by", "public_id"), "settled_text")
    readonly_fields = ("workspace", "amount_text", "reference", "paid_at", "paid_by", "public_id", "settled_text")
    list_before_template = "console/money/owed.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None, **rest: Any) -> HttpResponse:
        owed = {"owed_columns": COLUMNS, "owed": [_row(each) for each in owed_to_customers()]}
        return super().changelist_view(request, owed | (extra_context or {}), **rest)

    @display(description="amount")
    def amount_text(self, payout: Payout) -> SafeString:
        return figures.money_in(payout.currency, payout.amount)

    @display(description="settled")
    def settled_text(self, payout: Payout) -> str:
        return ", ".join(payout.settled)


def _row(owed: OwedToCustomer) -> list[SafeString]:
    page = reverse("admin:workspaces_workspace_pay_out", args=[owed.workspace.pk])
    name = format_html('<a class="console-link" href="{}">{}</a>', page, owed.workspace.name)
    amounts = (owed.surplus, owed.withdrawn, owed.failed, owed.credit, owed.corrected, owed.total)
    return [name, *(figures.money(each) for each in amounts)]


admin.site.register(Payout, PayoutAdmin)
