"""The addresses of other products' APIs: below the base address that each client is given."""

from django.urls import path

from metering.compatible.anthropic.analytics import AnalyticsCostView, AnalyticsUsageView
from metering.compatible.anthropic.reports import CostReportView, MessagesReportView
from metering.compatible.openai.costs import CostsView
from metering.compatible.openai.kinds import KINDS
from metering.compatible.openai.usage import UsageOfKindView
from metering.compatible.openrouter.account import OpenRouterCreditsView, OpenRouterKeyView
from metering.compatible.openrouter.activity import OpenRouterActivityView
from metering.compatible.openrouter.generation import OpenRouterGenerationView

OPENROUTER, ANTHROPIC = "compat/openrouter/api/v1/", "compat/anthropic/v1/organizations/"

urlpatterns = [
    *(path(f"v1/organization/usage/{kind}", UsageOfKindView.as_view(kind=kind)) for kind in KINDS),
    path("v1/organization/costs", CostsView.as_view()),
    path(f"{OPENROUTER}key", OpenRouterKeyView.as_view()),
    path(f"{OPENROUTER}credits", OpenRouterCreditsView.as_view()),
    path(f"{OPENROUTER}generation", OpenRouterGenerationView.as_view()),
    path(f"{OPENROUTER}activity", OpenRouterActivityView.as_view()),
    path(f"{ANTHROPIC}usage_report/messages", MessagesReportView.as_view()),
    path(f"{ANTHROPIC}cost_report", CostReportView.as_view()),
    path(f"{ANTHROPIC}analytics/usage", AnalyticsUsageView.as_view()),
    path(f"{ANTHROPIC}analytics/cost", AnalyticsCostView.as_view()),
]
