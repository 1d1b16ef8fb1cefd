"""Re-rating: what a corrected price would change of usage already rated, the order to do it, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.decorators import display

from metering import dollars
from metering.catalogue.models import LanguageModel
from metering.console import figures
from metering.invoicing.explaining.rerating import months_total, planned_months
from metering.revisions.rerating.intervals import RatingScope
from metering.revisions.rerating.jobs import LONGEST_REASON, order_rerating
from metering.revisions.rerating.plan import plan_rerating, scope_for
from metering.rollups.models import Rerating
from omixa_billing.api.errors import InvalidParameter
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.models import Workspace

STATUS_LABELS = {"running": "info", "finished": "success"}
COLUMNS = ["Workspace", "Month", "#Requests", "#Cost before", "#Cost after", "#Difference", "Invoice"]
BY_NAME = 20  # lines of a plan on an order's page


class ScopeForm(forms.Form):
    """Whose usage is to be rated again, and since when."""

    model = fields.text("model", "With its aliases. Empty: every model.", required=False)
    workspace = fields.workspace(required=False, help_text="Empty: every workspace.")
    start = fields.instant_field("from (UTC)", "Included, by each request's own time.")
    end = fields.instant_field("to (UTC)", "Not included. Empty: everything so far.", required=False)

    def clean_model(self) -> LanguageModel | None:
        slug = self.cleaned_data["model"].strip()
        found = LanguageModel.objects.filter(slug=slug).first() if slug else None
        if slug and found is None:
            raise forms.ValidationError("There is no such model.")
        return found

    def clean(self) -> dict[str, Any]:
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and start >= end:
            raise forms.ValidationError("The end is not after the beginning.")
        return self.cleaned_data

    def scope(self, now: datetime) -> RatingScope:
        asked = self.cleaned_data
        return scope_for(asked["model"], asked["workspace"], asked["start"], asked["end"], now)


class OrderForm(forms.Form):
    reason = fields.text("reason", "Customers read it with each request that changes.", max_length=LONGEST_REASON)


class ReratingAdmin(OperatorAdmin):
    called = "Re-rating"
    when_empty = "A re-rating prices what was used once more, after prices were set late or wrong."
    may_add = True
    list_display = ("ordered", "what", "since", "progress", "changed_count", "difference", "actor")
    list_display_links = ("ordered",)
    list_select_related = ("model", "workspace")
    search_fields = ("public_id__exact",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("state", ("what", "actor"), ("since", "until"), "reason", "planned")
    readonly_fields = ("state", "what", "actor", "since", "until", "reason", "planned")

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metering_rerating_{name}")

        return [
            page("order/", self.order_page, "order"),
            page("<int:pk>/progress/", self.progress_part, "progress"),
            *super().get_urls(),
        ]

    @display(description="ordered (UTC)")
    def ordered(self, order: Rerating) -> SafeString:
        return figures.named_moment(order.created_at, order.public_id)

    @display(description="what")
    def what(self, order: Rerating) -> str:
        return scope_in_words(order.model, order.workspace)

    @display(description="from (UTC)")
    def since(self, order: Rerating) -> str:
        return figures.moment(order.start)

    @display(description="to (UTC)")
    def until(self, order: Rerating) -> str:
        return figures.moment(order.end)

    @display(description="status", label=STATUS_LABELS)
    def progress(self, order: Rerating) -> str:
        return order.status

    @display(description="requests changed")
    def changed_count(self, order: Rerating) -> SafeString:
        return figures.count_html(order.changed)

    @display(description="difference")
    def difference(self, order: Rerating) -> SafeString:
        return figures.money(order.cost_after - order.cost_before)

    @display(description="progress")
    def state(self, order: Rerating) -> SafeString:
        return progress_of(order)

    @display(description="planned by the dry run")
    def planned(self, order: Rerating) -> SafeString:
        rows = rows_of(order.plan[:BY_NAME])
        more = len(order.plan) - len(rows)
        table = render_to_string(
            "console/kit/table.html", {"columns": COLUMNS, "rows": rows, "stack": 1, "empty": "There was nothing to change."}
        )
        return format_html("{}{}", table, format_html('<p class="console-note">and {} more</p>', f"{more:,}") if more else "")

    def progress_part(self, request: HttpRequest, pk: int) -> HttpResponse:
        return HttpResponse(progress_of(get_object_or_404(Rerating, pk=pk)))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Asks for the scope, and says what an order of it would change."""
        chosen = "start_0" in request.GET
        form = ScopeForm(request.GET if chosen else None)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Rate usage again",
            "model_admin": self,
            "form": form,
            "chosen": chosen,
            "media": self.media + form.media,
        }
        if chosen and form.is_valid():
            context |= self._dry_run(form, request)
        return TemplateResponse(request, "console/prices/rerating.html", context)

    def _dry_run(self, form: ScopeForm, request: HttpRequest) -> dict[str, Any]:
        months = planned_months(plan_rerating(form.scope(timezone.now())))
        total = months_total(months)
        rows = rows_of(months)
        if len(rows) > 1:
            rows.append([format_html("<strong>{}</strong>", "Total"), _whole(""), *_figures_of(total), _whole("")])
        return {
            "columns": COLUMNS,
            "rows": rows,
            "requests": total["requests"],
            "first_priced": total["first_priced"],
            "invoiced": sum(row["invoiced"] for row in months),
            "order_link": f"{reverse('admin:metering_rerating_order')}?{request.GET.urlencode()}",
        }

    def order_page(self, request: HttpRequest) -> HttpResponse:
        """The order itself, with its reason; what it will change is worked out once more and kept with it."""
        form = ScopeForm(request.GET)
        back = f"{reverse('admin:metering_rerating_add')}?{request.GET.urlencode()}"
        if not form.is_valid():
            return redirect(back)
        asked = form.cleaned_data

        def act(given: dict[str, Any]) -> HttpResponse:
            now = timezone.now()
            scope = form.scope(now)
            months = planned_months(plan_rerating(scope))
            if not months:
                raise InvalidParameter("Nothing would change any more: there is nothing to order.")
            order = order_rerating(
                asked["model"],
                asked["workspace"],
                scope,
                reason=given["reason"],
                plan=months,
                actor=actor_of(request),
                now=now,
            )
            return redirect(reverse("admin:metering_rerating_change", args=[order.pk]))

        return FormPage(
            title="Rate usage again",
            act=act,
            back=back,
            form_class=OrderForm,
            intro=f"{scope_in_words(asked['model'], asked['workspace'])}, from {asked['start']:%Y-%m-%d %H:%M} UTC. "
            "Each request is rated by the price in force at its own time, as prices are set now. "
            "What it cost before stays on its trail; months already invoiced are adjusted on the next invoice.",
            submit="Order the re-rating",
        ).respond(request, self)


def scope_in_words(model: LanguageModel | None, workspace: Workspace | None) -> str:
    """Such as `codex-mini of every workspace`."""
    return f"{model or 'Every model'} of {workspace or 'every workspace'}"


def rerating_link(model: LanguageModel, start: datetime, workspace_id: int | None) -> str:
    """The dry run for a model since then."""
    at = start.astimezone(UTC)
    asked = {"model": model.slug, "start_0": f"{at:%Y-%m-%d}", "start_1": f"{at:%H:%M:%S}"}
    if workspace_id is not None:
        asked["workspace"] = str(workspace_id)
    return f"{reverse('admin:metering_rerating_add')}?{urlencode(asked)}"


def progress_of(order: Rerating) -> SafeString:
    """How far an order is; while it runs, the part asks for itself again."""
    expected = sum(row["requests"] for row in order.plan)
    percent = 100 if order.status == Rerating.Status.FINISHED else min(99, order.changed * 100 // max(expected, 1))
    context = {
        "order": order,
        "running": order.status == Rerating.Status.RUNNING,
        "label": STATUS_LABELS[order.status],
        "percent": percent,
        "expected": f"{expected:,}",
        "changed": f"{order.changed:,}",
        "examined": f"{order.examined:,}",
        "before": dollars.usd_exact(order.cost_before, 6),
        "after": dollars.usd_exact(order.cost_after, 6),
        "difference": _signed(order.cost_after - order.cost_before),
        "finished": figures.moment(order.finished_at),
    }
    return SafeString(render_to_string("console/prices/rerating_progress.html", context))


def rows_of(months: Iterable[dict[str, Any]]) -> list[list[SafeString]]:
    """A plan's lines with the workspaces' names."""
    months = list(months)
    found = Workspace.objects.filter(public_id__in={row["workspace_id"] for row in months})
    workspaces = {workspace.public_id: workspace for workspace in found}
    return [
        [_workspace(workspaces[row["workspace_id"]]), _whole(row["month"]), *_figures_of(row), _invoice(row)] for row in months
    ]


def _workspace(workspace: Workspace) -> SafeString:
    link = reverse("admin:workspaces_workspace_change", args=[workspace.pk])
    return format_html('<a class="console-link" href="{}">{}</a>', link, workspace.name)


def _figures_of(row: dict[str, Any]) -> list[SafeString]:
    before, after = (figures.figure(dollars.usd_exact(Decimal(row[name]), 6)) for name in ("cost_before", "cost_after"))
    return [figures.count_html(row["requests"]), before, after, figures.figure(_signed(Decimal(row["difference"])))]


def _signed(amount: Decimal) -> str:
    return f"{'+' if amount > 0 else ''}{dollars.usd_exact(amount, 6)}"


def _invoice(row: dict[str, Any]) -> SafeString:
    return format_html("{}", "adjusted next" if row["invoiced"] else "not yet made")


def _whole(text: str) -> SafeString:
    return format_html('<span class="console-nowrap">{}</span>', text)


admin.site.register(Rerating, ReratingAdmin)
