"""Workspaces with their figures: what each has spent this month and how many keys it has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.views import ChangeList

from metering.console import figures
from metering.console.money.workspaces.closed import ClosingOfAWorkspace
from metering.console.money.workspaces.credits import TransfersOfAWorkspace
from metering.console.money.workspaces.fees import FeesOfAWorkspace
from metering.console.money.workspaces.terms import MoneyOfAWorkspace
from metering.console.money.workspaces.workspace import billing_mode_label, money_facts
from metering.periods import month_of
from metering.rollups.models import DailyRollup
from workspaces.console.workspaces import WorkspaceAdmin
from workspaces.models import APIKey, Workspace


class ListWithFigures(ChangeList):
    """Looks up the figures of the workspaces on the page, all at once: two statements a page, however long the list."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = with_figures(list(self.result_list))  # type: ignore[has-type, unused-ignore]


def with_figures(workspaces: list[Workspace]) -> list[Workspace]:
    """The same workspaces, each with `spend` (exact USD of this UTC month) and `key_total` (keys not revoked)."""
    ids = [workspace.pk for workspace in workspaces]
    month = month_of(timezone.now())
    spend = DailyRollup.objects.filter(workspace_id__in=ids, day__gte=month.start, day__lt=month.end)
    by_spend = dict(spend.values_list("workspace_id").annotate(total=Sum("cost")))
    keys = APIKey.objects.unrevoked().filter(workspace_id__in=ids).order_by()
    by_keys = dict(keys.values_list("workspace_id").annotate(total=Count("id")))
    for workspace in workspaces:
        workspace.spend = by_spend.get(workspace.pk, Decimal(0))  # type: ignore[attr-defined]
        workspace.key_total = by_keys.get(workspace.pk, 0)  # type: ignore[attr-defined]
    return workspaces


class WorkspaceWithFiguresAdmin(
    MoneyOfAWorkspace, FeesOfAWorkspace, TransfersOfAWorkspace, ClosingOfAWorkspace, WorkspaceAdmin
):
    list_display = ("name", "public_id", "kind", "spend_this_month", "keys", "events", "created_at")
    list_display_links = ("name",)
    readonly_fields = (*WorkspaceAdmin.readonly_fields, "spend_this_month")
    fields = (("name", "email"), ("public_id", "created_at"), ("billed", "currency"), ("models", "spend_this_month"))
    actions_detail = (
        "create_key",
        "invite_member",
        # As many as leave the workspace's name its place in the heading.
        {
            "title": "Billing",
            "items": ["billing_terms", "set_fee", "add_line", "grant_credit", "transfer_credit", "pay_out", "close_workspace"],
        },
        {"title": "Limits", "items": ["allowed_models", "create_budget", "budgets"]},
        {"title": "Go to", "items": ["usage_events", "invoices", "payments", "credits"]},
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ListWithFigures

    change_form_outer_before_template = "console/money/workspace_money.html"

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        workspace = self.get_object(request, object_id)
        money = money_facts(workspace, timezone.now()) if workspace else []
        return super().change_view(request, object_id, form_url, {"money": money} | (extra_context or {}))

    @display(description="kind")
    def billed(self, workspace: Workspace) -> str:
        return billing_mode_label(workspace)

    @display(description="spend this month")
    def spend_this_month(self, workspace: Any) -> SafeString:
        if not hasattr(workspace, "spend"):
            with_figures([workspace])
        return figures.money(workspace.spend)

    @display(description="keys")
    def keys(self, workspace: Any) -> SafeString:
        keys = reverse("admin:workspaces_apikey_changelist")
        link = f"{keys}?workspace__id__exact={workspace.pk}"
        return format_html('<a class="console-link figure" href="{}">{}</a>', link, workspace.key_total)

    @display(description="usage")
    def events(self, workspace: Workspace) -> SafeString:
        return format_html('<a class="console-link console-nowrap" href="{}">events</a>', events_of(workspace))

    @action(description="Usage events", url_path="usage-events", icon="receipt_long")
    def usage_events(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(events_of(get_object_or_404(Workspace, pk=object_id)))

    @action(description="Create a budget", url_path="create-budget", icon="add")
    def create_budget(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        return redirect(f"{reverse('admin:metering_budget_add')}?workspace={workspace.pk}")

    @action(description="Budgets", url_path="budgets", icon="speed")
    def budgets(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        return redirect(f"{reverse('admin:metering_budget_changelist')}?workspace__id__exact={workspace.pk}")

    @action(description="Invoices", url_path="invoices", icon="request_quote")
    def invoices(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        return redirect(f"{reverse('admin:metering_invoice_changelist')}?workspace__id__exact={workspace.pk}")

    @action(description="Payments", url_path="payments", icon="payments")
    def payments(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        return redirect(f"{reverse('admin:metering_payment_changelist')}?workspace__id__exact={workspace.pk}")


def events_of(workspace: Workspace) -> str:
    return f"{reverse('admin:metering_usageevent_changelist')}?workspace={workspace.pk}"


admin.site.register(Workspace, WorkspaceWithFiguresAdmin)
