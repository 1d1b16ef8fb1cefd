"""The statement of account, for whole days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from metering.invoicing.documents.pdf import pdf_response
from metering.periods import Period, month_of, period_of_days, previous_month
from metering.reports.printed_statement import SIGNS, printed_entries, statement_name, statement_pdf
from metering.reports.statement import CSV_COLUMNS, Statement, statement_of, statement_rows
from metering.usage.exports import csv_download
from metering.website.member import member_page
from omixa_billing.api.errors import InvalidParameter
from workspaces.access.authentication import Caller
from workspaces.downloads import limited_download


class StatementDays(forms.Form):
    first_day = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if "first_day" in asked and "last_day" in asked:
            try:
                asked["period"] = period_of_days(asked["first_day"], asked["last_day"])
            except ValueError as error:
                raise forms.ValidationError(str(error)) from None
        return asked


@member_page("may_see_invoices")
def statement_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = _form(request)
    context: dict[str, Any] = {"form": form, "signs": SIGNS}
    if form.is_valid():
        found = statement_of(caller.workspace, form.cleaned_data["period"])
        context |= {"statement": found, "entries": printed_entries(found), "query": request.GET.urlencode()}
    return render(request, "website/billing/statement.html", context)


@member_page("may_see_invoices")
def statement_csv(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    return _download(
        request, caller, lambda found: csv_download(f"{statement_name(found)}.csv", *_rows(found), for_people=True)
    )


@member_page("may_see_invoices")
def statement_download(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """The PDF."""
    return _download(request, caller, lambda found: pdf_response(statement_pdf(found), statement_name(found)))


def _download(request: HttpRequest, caller: Caller, make: Callable[[Statement], HttpResponseBase]) -> HttpResponseBase:
    """Of what the address asks for. Days that are none are said on the page, as is what does not print."""
    form, page = _form(request), f"{reverse('pages:statement')}?{request.GET.urlencode()}"
    if not form.is_valid():
        return redirect(page)
    found = statement_of(caller.workspace, form.cleaned_data["period"])
    try:
        return limited_download(request, caller, lambda: make(found))
    except InvalidParameter as refusal:
        messages.error(request, refusal.message)
        return redirect(page)


def _rows(found: Statement) -> tuple[list[str], Iterator[dict[str, Any]]]:
    return CSV_COLUMNS, statement_rows(found)


def default_days(now: datetime) -> dict[str, str]:
    """Last month and this one until today."""
    first: Period = previous_month(month_of(now))
    return {"first_day": f"{first.start:%Y-%m-%d}", "last_day": f"{now:%Y-%m-%d}"}


def _form(request: HttpRequest) -> StatementDays:
    return StatementDays(default_days(timezone.now()) | {name: value for name, value in request.GET.items() if value})
