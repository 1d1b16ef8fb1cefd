"""Budgets of all workspaces: what is spent, held and left of each, and setting them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.views import ChangeList

from metering import dollars
from metering.console import figures
from metering.limits.budgets.change import change_budget, delete_budget, described, set_budget
from metering.limits.budgets.standing import Standing, standings
from metering.limits.models import Budget
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of, operator_of
from workspaces.console.kit.pages import FormPage

MODE_LABELS = {"hard": "danger", "soft": "info", "shadow": "warning"}


class ChangeBudgetForm(forms.Form):
    limit = fields.amount("limit (USD)", min_value=0, decimal_places=12, max_digits=25)
    window = fields.choice("within", list(Budget.Window.choices))
    time_zone = fields.text("time zone", "A name of the IANA list, such as Europe/Berlin.", max_length=64)
    mode = fields.choice("when it is used up", list(Budget.Mode.choices))
    thresholds = fields.text("alerts at percent", "Each once in a window, such as 50, 80, 100.", required=False)

    def clean_thresholds(self) -> list[int]:
        words = self.cleaned_data["thresholds"].replace(",", " ").split()
        if not all(word.isascii() and word.isdigit() for word in words):
            raise forms.ValidationError("Write whole percentages with commas between them.")
        return [int(word[:9]) for word in words]


class CreateBudgetForm(ChangeBudgetForm):
    field_order = ("workspace", "scope", "scope_id")
    workspace = fields.workspace()
    scope = fields.choice("for", list(Budget.Scope.choices))
    scope_id = fields.text(
        "of which", "A key's id, a model or an end user; * for each model or user. Empty: the workspace.", required=False
    )


class ListWithStandings(ChangeList):
    """Looks up how the budgets of the page stand, all at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        found = list(self.result_list)  # type: ignore[has-type, unused-ignore]
        standing = standings(found, timezone.now()) if found else {}
        for budget in found:
            budget.standing = standing[budget.pk]
        self.result_list: Any = found


class BudgetAdmin(OperatorAdmin):
    may_add = True
    when_empty = "Workspaces make budgets on their own pages and by API; here they are made for them."
    list_display = ("named", "workspace", "limit_text", "spent", "held", "left", "mode_label", "resets")
    list_display_links = ("named",)
    list_filter = (("workspace", AutocompleteSelectFilter), ("scope", ChoicesDropdownFilter), ("mode", ChoicesDropdownFilter))
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact", "scope_id__exact")
    search_help_text = "A budget's id, or the key, model or end user that it is for"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("workspace", "public_id"),
        ("scope", "scope_id"),
        ("limit_text", "created_at"),
        ("spent", "held"),
        ("left", "of_which"),
        ("mode_label", "would_have_refused"),
        ("begun", "resets"),
        "time_zone",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("change_limit", "delete_it")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ListWithStandings

    def heading_of(self, row: Budget) -> str:
        return str(row)

    @display(description="for")
    def named(self, budget: Budget) -> SafeString:
        said = f"{budget.get_scope_display()} {Truncator(budget.scope_id).chars(32)}".strip()
        return format_html('<span>{}<br><span class="console-note">{}</span></span>', said, budget.public_id)

    @display(description="limit")
    def limit_text(self, budget: Budget) -> SafeString:
        said = f"{dollars.usd_exact(budget.limit)} / {budget.get_window_display().lower()}"
        return format_html('<span class="figure">{}</span>', said)

    @display(description="spent")
    def spent(self, budget: Any) -> SafeString:
        return figures.money(_standing(budget).spent)

    @display(description="held")
    def held(self, budget: Any) -> SafeString:
        return figures.money(_standing(budget).held)

    @display(description="left")
    def left(self, budget: Any) -> SafeString:
        standing = _standing(budget)
        return figures.money(budget.limit - standing.spent - standing.held)

    @display(description="least left")
    def of_which(self, budget: Any) -> str:
        return _standing(budget).nearest or "-"

    @display(description="mode", label=MODE_LABELS)
    def mode_label(self, budget: Budget) -> str:
        return budget.mode

    @display(description="would have refused")
    def would_have_refused(self, budget: Any) -> SafeString:
        standing = _standing(budget)
        many = f"{standing.would_have_refused:,} requests, {dollars.usd_text(standing.would_have_refused_usd)} at most"
        return figures.figure(many if budget.mode == Budget.Mode.SHADOW else "-")

    @display(description="window began (UTC)")
    def begun(self, budget: Any) -> str:
        return _moment(_standing(budget).start)

    @display(description="begins again (UTC)")
    def resets(self, budget: Any) -> str:
        return _moment(_standing(budget).end)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        def act(asked: dict[str, Any]) -> HttpResponse:
            about = asked.pop("workspace"), asked.pop("scope"), asked.pop("scope_id")
            actor, now = actor_of(request), timezone.now()
            budget = set_budget(*about, **asked, replaces=False, actor=actor, now=now, user=operator_of(request))
            messages.success(request, "The budget is created, with the usage of its window.")
            return redirect(self._page_of(budget))

        initial = {
            "workspace": request.GET.get("workspace"),
            "window": "month",
            "time_zone": "UTC",
            "thresholds": "50, 80, 100",
        }
        back = reverse("admin:metering_budget_changelist")
        return FormPage("Create a budget", act, back, CreateBudgetForm, submit="Create the budget", initial=initial).respond(
            request, self
        )

    @action(description="Change", url_path="edit", icon="edit")
    def change_limit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        budget = get_object_or_404(Budget.objects.select_related("workspace"), pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            change_budget(budget, asked, actor=actor_of(request), now=timezone.now(), user=operator_of(request))
            messages.success(request, "The budget is saved.")
            return redirect(self._page_of(budget))

        initial = described(budget) | {"limit": format(budget.limit.normalize(), "f")}
        page = FormPage("Change the budget", act, self._page_of(budget), ChangeBudgetForm, initial=initial)
        return page.respond(request, self, budget)

    @action(description="Delete", url_path="remove", icon="delete", variant=ActionVariant.DANGER)
    def delete_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        budget = get_object_or_404(Budget.objects.select_related("workspace"), pk=object_id)
        back = reverse("admin:metering_budget_changelist")

        def act(asked: dict[str, Any]) -> HttpResponse:
            delete_budget(budget, actor=actor_of(request), now=timezone.now(), user=operator_of(request))
            messages.success(request, "The budget is deleted: it no longer limits requests.")
            return redirect(back)

        intro = f"{budget} of {budget.workspace} will no longer limit requests."
        page = FormPage("Delete the budget", act, self._page_of(budget), intro=intro, danger=True)
        return page.respond(request, self, budget)

    def _page_of(self, budget: Budget) -> str:
        return reverse("admin:metering_budget_change", args=[budget.pk])


def _standing(budget: Any) -> Standing:
    if not hasattr(budget, "standing"):
        budget.standing = standings([budget], timezone.now())[budget.pk]
    found: Standing = budget.standing
    return found


def _moment(at: datetime | None) -> str:
    return "never" if at is None else figures.moment(at)


admin.site.register(Budget, BudgetAdmin)
