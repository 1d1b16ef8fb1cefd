"""Credits: what was granted, what is left, every movement; and taking one back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display

from metering import dollars
from metering.checked_inputs import LONGEST_REFERENCE
from metering.console import figures
from metering.credits.models import CreditEntry, CreditGrant
from metering.payments.balance.transfer import transfer_credit
from metering.payments.refunds.withdrawals import withdraw_credit
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline, actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.models import Workspace

ANY_KIND = "any"
KIND_LABELS = {"promotional": "info", "purchased": "success", "goodwill": "warning"}


class TransferForm(forms.Form):
    to = fields.workspace(help_text="Of the same payer.")
    amount = fields.amount("amount (USD)", min_value=Decimal("0.01"), decimal_places=2, max_digits=12)
    kind = fields.choice("kind", [(ANY_KIND, "In the order of use"), *CreditGrant.Kind.choices])
    reference = fields.text("reference", "A reference can be used only once.", max_length=LONGEST_REFERENCE)
    reason = fields.text("reason", required=False, max_length=300)
    statement = fields.text(
        "why both are one payer", "Needed where their billing profiles have nothing in common.", required=False, max_length=300
    )


class TransfersOfAWorkspace:
    """An act for the workspace's admin."""

    @action(description="Transfer credit", url_path="transfer-credit", icon="swap_horiz")
    def transfer_credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            to, amount, reference = asked["to"], asked["amount"], asked["reference"]
            kind = None if asked["kind"] == ANY_KIND else asked["kind"]
            why = {"reason": asked["reason"], "statement": asked["statement"]}
            made = transfer_credit(workspace, to, amount, reference, actor_of(request), timezone.now(), kind=kind, **why)
            messages.success(request, f"{dollars.usd_text(made.amount)} are credit of {to} now.")
            return redirect(f"{reverse('admin:metering_creditgrant_changelist')}?workspace__id__exact={to.pk}")

        intro = (
            "It becomes credit of another workspace. Purchased credit stays refundable; promotional credit keeps its expiry "
            "date."
        )
        back = reverse("admin:workspaces_workspace_change", args=[workspace.pk])
        page = FormPage("Transfer credit", act, back, TransferForm, intro, "Transfer the credit")
        return page.respond(request, self, workspace)


class WithdrawCreditForm(forms.Form):
    reason = fields.text("reason", max_length=300)


class EntriesOfACredit(ReadOnlyInline):
    model = CreditEntry
    fields = ("at", "kind", "amount_of_row", "invoice", "reason")
    readonly_fields = fields
    ordering = ("pk",)
    per_page = 50
    verbose_name_plural = "movements"

    @display(description="amount")
    def amount_of_row(self, entry: CreditEntry) -> SafeString:
        return figures.money(entry.amount)


class CreditGrantAdmin(OperatorAdmin):
    called = "Credits"
    when_empty = "Credit is granted on a workspace's page, or bought by its members."
    list_display = ("public_id", "workspace", "kind_label", "amount_text", "remaining_text", "expires_at", "note", "granted_at")
    list_filter = (("kind", ChoicesDropdownFilter), ("workspace", AutocompleteSelectFilter))
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact", "workspace__name__icontains")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("workspace", "kind_label"),
        ("amount_text", "remaining_text"),
        ("expires_at", "priority"),
        ("granted_at", "granted_by"),
        ("note", "public_id"),
    )
    readonly_fields = tuple(name for row in fields for name in row)
    inlines = (EntriesOfACredit,)
    actions_detail = ("withdraw",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditGrant]:
        return super().get_queryset(request).annotate(left=Sum("entries__amount"))

    @display(description="kind", label=KIND_LABELS)
    def kind_label(self, grant: CreditGrant) -> str:
        return grant.kind

    @display(description="amount")
    def amount_text(self, grant: CreditGrant) -> SafeString:
        return figures.money(grant.amount)

    @display(description="left")
    def remaining_text(self, grant: Any) -> SafeString:
        return figures.money(grant.left)

    @action(description="Take back", url_path="take-back", icon="undo")
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        grant = get_object_or_404(CreditGrant.objects.select_related("workspace"), pk=object_id)
        back = reverse("admin:metering_creditgrant_change", args=[grant.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            withdrawn = withdraw_credit(grant, asked["reason"], actor_of(request), timezone.now())
            messages.success(request, f"{dollars.usd_text(withdrawn)} are taken back.")
            return redirect(back)

        intro = "What is left of it is taken back. What was used stays used."
        page = FormPage("Take the credit back", act, back, WithdrawCreditForm, intro, "Take the credit back", danger=True)
        return page.respond(request, self, grant)


admin.site.register(CreditGrant, CreditGrantAdmin)
