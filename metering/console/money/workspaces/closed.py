"""Closing a workspace, an act on its page, and the list of those that are closed, with what came late."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from metering import dollars
from metering.checked_inputs import LONGEST_REASON
from metering.console import figures
from metering.console.money.close_month import void_months
from metering.offboarding.close import close_for_good, late_usage, what_closing_does
from metering.offboarding.models import ClosedWorkspace
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage, Preview
from workspaces.models import Workspace

INTRO = (
    "What it used is invoiced now, up to this moment; minimum, fees, budgets, automatic top-ups and alerts end; its live keys "
    "stop. Promotional credit expires. Its documents stay, and open invoices can still be paid. This cannot be undone."
)
SUMS = {
    "credit_refunded": "Credit refunded",
    "credit_owed": "Credit owed to the customer",
    "credit_expired": "Bought credit that expires",
    "given_credit_expired": "Promotional and goodwill credit that expires",
    "not_billed": "Not billed",
}


class ClosingForm(forms.Form):
    reason = fields.text("reason", "For the trail, which the customer reads too.", max_length=LONGEST_REASON)
    credit = fields.choice("bought credit that is left", ClosedWorkspace.Credit.choices)


class ClosingOfAWorkspace:
    """An act for the workspace's admin."""

    @action(description="Close the workspace", url_path="close-workspace", icon="block")
    def close_workspace(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            closed = close_for_good(workspace, asked["reason"], asked["credit"], actor_of(request), timezone.now())
            messages.success(request, f"{workspace} is closed.")
            return redirect(reverse("admin:metering_closedworkspace_change", args=[closed.pk]))

        page = FormPage(
            f"Close the workspace {workspace}",
            act,
            reverse("admin:workspaces_workspace_change", args=[workspace.pk]),
            ClosingForm,
            INTRO,
            "Close the workspace",
            danger=True,
            initial={"credit": ClosedWorkspace.Credit.REFUND.value},
            preview=lambda asked: preview_of(request, workspace, asked),
        )
        return page.respond(request, self, workspace)


def preview_of(request: HttpRequest, workspace: Workspace, asked: dict[str, Any]) -> Preview:
    found = what_closing_does(workspace, asked["reason"], asked["credit"], actor_of(request), timezone.now())
    invoices = [f"{_usd(each['total'])}, {_usd(each['amount_due'])} due" for each in found["invoices"]]
    facts = [("Workspace", str(workspace)), ("Last invoices", "; ".join(invoices) or "none")]
    if waiting := void_months(workspace.invoices.all()):
        facts.append(("Waiting", waiting))
    facts += [(label, _usd(found[name])) for name, label in SUMS.items()]
    facts.append(("Keys that stop", f"{found['keys_revoked']:,}"))
    return Preview(facts, f"Close {workspace} for good")


def _usd(amount: str) -> str:
    return dollars.usd_text(Decimal(amount))


class ClosedWorkspaceAdmin(OperatorAdmin):
    called = "Closed workspaces"
    when_empty = "A workspace is closed on its page."
    list_display = ("workspace", "closed_at", "reason", "owed_text", "late")
    list_select_related = ("workspace",)
    search_fields = ("workspace__name__icontains", "workspace__public_id__exact")
    ordering = ("-closed_at",)
    sortable_by = ()
    fields = (
        ("workspace", "closed_at", "closed_by"),
        "reason",
        ("credit", "refunded_text", "owed_text", "expired_text"),
        ("invoices_text", "keys_revoked", "waiting"),
        ("not_billed_text", "late"),
    )
    readonly_fields = (
        *("workspace", "closed_at", "closed_by", "reason", "credit", "refunded_text", "owed_text", "expired_text"),
        *("invoices_text", "keys_revoked", "waiting", "not_billed_text", "late"),
    )

    @display(description="used since, not billed")
    def late(self, closed: ClosedWorkspace) -> SafeString:
        return figures.money(late_usage(closed, timezone.now()))

    @display(description="invoices")
    def invoices_text(self, closed: ClosedWorkspace) -> str:
        return ", ".join(closed.invoices) or "none"

    @display(description="void months")
    def waiting(self, closed: ClosedWorkspace) -> str:
        return void_months(closed.workspace.invoices.all()) or "none waits for its reissue"

    @display(description="refunded")
    def refunded_text(self, closed: ClosedWorkspace) -> SafeString:
        return figures.money(closed.refunded)

    @display(description="owed")
    def owed_text(self, closed: ClosedWorkspace) -> SafeString:
        return figures.money(closed.owed)

    @display(description="expired")
    def expired_text(self, closed: ClosedWorkspace) -> SafeString:
        return figures.money(closed.expired)

    @display(description="not billed")
    def not_billed_text(self, closed: ClosedWorkspace) -> SafeString:
        return figures.money(closed.not_billed)


admin.site.register(ClosedWorkspace, ClosedWorkspaceAdmin)
