"""The operators' reports. They hang on the postings of the journal, which have no list of their own here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse

from metering.console.reports.ageing import AGEING
from metering.console.reports.margin import MARGIN
from metering.console.reports.months import DEFERRED_REVENUE, REVENUE, TAX
from metering.console.reports.parts import FinanceReport
from metering.console.reports.statement import STATEMENT
from metering.journal.models import JournalPosting
from workspaces.console.kit.base import OperatorAdmin

REPORTS: list[FinanceReport] = [STATEMENT, AGEING, DEFERRED_REVENUE, TAX, REVENUE, MARGIN]


class ReportsAdmin(OperatorAdmin):
    called = "Reports"

    def get_urls(self) -> list[Any]:
        pages = [path(f"{each.name}/", self.admin_site.admin_view(self._page(each)), name=url_name(each)) for each in REPORTS]
        return [path("", self.admin_site.admin_view(self.index), name="metering_journalposting_changelist"), *pages]

    def _page(self, report: FinanceReport) -> Any:
        def page(request: HttpRequest) -> HttpResponseBase:
            return report.respond(request, self)

        return page

    def index(self, request: HttpRequest) -> HttpResponseBase:
        reports = [(each.title, each.intro, reverse(f"admin:{url_name(each)}")) for each in REPORTS]
        context = {**self.admin_site.each_context(request), "title": self.menu_name, "reports": reports}
        return TemplateResponse(request, "console/reports/reports.html", context)


def url_name(report: FinanceReport) -> str:
    return f"metering_journalposting_{report.name.replace('-', '_')}"


admin.site.register(JournalPosting, ReportsAdmin)
