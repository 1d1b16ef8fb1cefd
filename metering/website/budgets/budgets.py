"""Budgets: the list with what is held and what was refused, and creating, changing and deleting them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from metering.limits.budgets.change import change_budget, delete_budget, set_budget
from metering.limits.held_and_refused import held_now, refused_lately
from metering.limits.models import Budget
from metering.website.budgets.forms import BudgetForm, NewBudgetForm
from metering.website.budgets.rows import budget_rows
from metering.website.member import member_page, show_refusal
from omixa_billing.api.errors import InvalidParameter, Refusal
from workspaces.access.authentication import Caller


@member_page()
def budget_list(request: HttpRequest, caller: Caller) -> HttpResponse:
    now = timezone.now()
    budgets = list(Budget.objects.filter(workspace=caller.workspace).select_related("workspace"))
    refused = refused_lately(caller.workspace, now)
    context = {
        "rows": budget_rows(budgets, now),
        "held": held_now(caller.workspace),
        "refused": refused,
        "refused_count": sum(each.requests for each in refused),
        "caller": caller,
    }
    return render(request, "website/budgets/budgets.html", context)


@member_page("may_manage_keys")
def budget_new(request: HttpRequest, caller: Caller) -> HttpResponse:
    chosen = request.GET.get("key")
    form = NewBudgetForm(request.POST or None, caller.workspace, {"scope": f"key:{chosen}"} if chosen else {})
    if request.method == "POST" and form.is_valid():
        scope, scope_id = form.names
        try:
            set_budget(
                caller.workspace,
                scope,
                scope_id,
                **_values_of(form),
                replaces=False,
                actor=caller.actor,
                now=timezone.now(),
                user=caller.user,
            )
        except InvalidParameter as refusal:
            form.show(refusal)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:budgets")
        else:
            messages.success(request, "The budget is created. It counts what was used before in its window.")
            return redirect("pages:budgets")
    return render(request, "website/budgets/budget_new.html", {"form": form})


@member_page("may_manage_keys")
def budget_page(request: HttpRequest, caller: Caller, budget_id: str) -> HttpResponse:
    budget, now = _budget(caller, budget_id), timezone.now()
    form = BudgetForm(request.POST or None, initial=BudgetForm.initial_of(budget))
    if request.method == "POST" and form.is_valid():
        try:
            change_budget(budget, _values_of(form), actor=caller.actor, now=now, user=caller.user)
        except InvalidParameter as refusal:
            form.show(refusal)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:budgets")
        else:
            messages.success(request, "The budget is saved.")
            return redirect("pages:budgets")
    [row] = budget_rows([budget], now)
    return render(request, "website/budgets/budget.html", {"row": row, "form": form, "caller": caller})


@member_page("may_manage_keys")
def budget_delete(request: HttpRequest, caller: Caller, budget_id: str) -> HttpResponse:
    budget, now = _budget(caller, budget_id), timezone.now()
    [row] = budget_rows([budget], now)
    if request.method == "POST":
        try:
            delete_budget(budget, actor=caller.actor, now=now, user=caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:budgets")
        messages.success(request, f"The budget “{row.name}” is deleted. It no longer limits requests.")
        return redirect("pages:budgets")
    return render(request, "website/budgets/budget_delete.html", {"row": row})


def _values_of(form: BudgetForm) -> dict[str, Any]:
    return {name: form.cleaned_data[name] for name in ("limit", "window", "time_zone", "mode", "thresholds")}


def _budget(caller: Caller, budget_id: str) -> Budget:
    budgets = Budget.objects.select_related("workspace")
    return get_object_or_404(budgets, workspace=caller.workspace, public_id=budget_id)
