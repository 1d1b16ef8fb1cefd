"""Under /api/v1/."""

from django.urls import path

from metering.limits.budgets import api

urlpatterns = [
    path("budgets", api.BudgetsView.as_view(), name="budgets"),
    path("budgets/<slug:budget_id>", api.BudgetView.as_view(), name="budget"),
]
