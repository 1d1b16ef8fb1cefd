"""What the pages of reports are made of: what is asked for, tables with sums, and the same as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from metering.console import figures
from metering.invoicing.documents.pdf import pdf_response
from metering.periods import period_of_days
from metering.usage.exports import csv_download
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.console.kit import fields
from workspaces.console.kit.base import actor_of
from workspaces.downloads import console_download

Cells = list[Any]
FORMAT = "format"


@dataclass(frozen=True)
class Table:
    """`columns` as the table of the kit wants them: those of figures with a leading `#`."""

    title: str
    note: str
    columns: list[str]
    rows: list[Cells]
    empty: str


@dataclass(frozen=True)
class ReportFile:
    """The same report for spreadsheets; `about` says in the trail what was asked for."""

    name: str
    columns: list[str]
    rows: Iterable[dict[str, Any]]
    about: dict[str, Any]


@dataclass(frozen=True)
class FinanceReport:
    """A report as the address asks for it. What cannot be read is said on the form, and the report is not shown."""

    name: str
    title: str
    intro: str
    form: type[forms.Form]
    defaults: Callable[[], dict[str, str]]
    tables: Callable[[dict[str, Any]], list[Table]]
    file: Callable[[dict[str, Any]], ReportFile]
    pdf: Callable[[dict[str, Any]], tuple[bytes, str]] | None = None

    def respond(self, request: HttpRequest, admin: ModelAdmin) -> HttpResponseBase:
        asked = {name: value for name, value in request.GET.items() if value and name != FORMAT}
        form = self.form(self.defaults() | asked)
        if not form.is_valid():
            return self._render(request, admin, form, [])
        if (kind := request.GET.get(FORMAT)) == "csv" or (kind == "pdf" and self.pdf):
            try:
                return self._download(request, form.cleaned_data, kind)
            except InvalidParameter as refusal:
                form.add_error(None, refusal.message)
                return self._render(request, admin, form, [])
        return self._render(request, admin, form, self.tables(form.cleaned_data))

    def _download(self, request: HttpRequest, asked: dict[str, Any], kind: str) -> HttpResponseBase:
        file = self.file(asked)
        audit.record(actor_of(request), "report.downloaded", self.name, now=timezone.now(), format=kind, **file.about)
        if kind == "pdf" and self.pdf:
            make_pdf = self.pdf
            return console_download(request, lambda: pdf_response(*make_pdf(asked)))
        return console_download(request, lambda: csv_download(file.name, file.columns, file.rows, for_people=True))

    def _render(self, request: HttpRequest, admin: ModelAdmin, form: forms.Form, tables: list[Table]) -> TemplateResponse:
        query = request.GET.copy()
        query.pop(FORMAT, None)
        formats = ["csv", "pdf"] if self.pdf else ["csv"]
        context = {
            **admin.admin_site.each_context(request),
            "title": self.title,
            "model_admin": admin,
            "intro": self.intro,
            "form": form,
            "chosen": bool(form.errors and request.GET),
            "tables": tables,
            "files": [(each.upper(), f"?{query.urlencode()}&{FORMAT}={each}") for each in formats],
            "media": admin.media + form.media,
        }
        return TemplateResponse(request, "console/reports/report.html", context)


class DaysForm(forms.Form):
    """Whole days; `period` is all of them."""

    first_day = fields.day_field("from (UTC)")
    last_day = fields.day_field("to (UTC)")

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if "first_day" in asked and "last_day" in asked:
            try:
                asked["period"] = period_of_days(asked["first_day"], asked["last_day"])
            except ValueError as error:
                raise forms.ValidationError(str(error)) from None
        return asked


def amount_cell(value: Decimal, currency: str) -> SafeString:
    """In dollars as everywhere in the console; of another currency with its name."""
    return figures.money(value) if currency == "USD" else figures.figure(f"{value:,f} {currency}")


def in_total(cells: Cells) -> Cells:
    """A last row that adds up those above it."""
    return [format_html("<strong>{}</strong>", each) for each in cells]
