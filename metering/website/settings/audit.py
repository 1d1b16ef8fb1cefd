"""The workspace's own audit trail, for its owners and admins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from metering.website.member import member_page
from workspaces.access.authentication import Caller
from workspaces.audit.of_workspace import TrailQuestion, trail_page
from workspaces.audit.words import OF_WORKSPACES, STAFF, customer_entry

PAGE = 50
DAY = timedelta(days=1)
LAST_ENTRY = 2**63 - 1


class TrailForm(forms.Form):
    action = forms.ChoiceField(required=False, choices=[("", "Everything"), *((code, code) for code in OF_WORKSPACES)])
    actor = forms.CharField(required=False, max_length=300, label="Who", help_text=f"An address, a key's id, or {STAFF}.")
    first_day = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
    before = forms.IntegerField(required=False, min_value=1, max_value=LAST_ENTRY, widget=forms.HiddenInput)


@member_page("may_manage_keys")
def trail_list(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = TrailForm(request.GET)
    page, last = trail_page(caller.workspace, _question(form.cleaned_data), PAGE) if form.is_valid() else ([], None)
    older = {name: value for name, value in request.GET.items() if name != "before"} | {"before": last}
    context: dict[str, Any] = {
        "entries": [customer_entry(entry) for entry in page],
        "form": form,
        "caller": caller,
        "older": f"?{urlencode(older)}" if last else "",
        "narrowed": any(form.data.get(name) for name in form.fields),
    }
    return render(request, "website/settings/audit.html", context)


def _question(asked: dict[str, Any]) -> TrailQuestion:
    first, last = asked["first_day"], asked["last_day"]
    return TrailQuestion(
        action=asked["action"],
        actor=asked["actor"].strip(),
        start=None if first is None else datetime(first.year, first.month, first.day, tzinfo=UTC),
        end=None if last is None else datetime(last.year, last.month, last.day, tzinfo=UTC) + DAY,
        before=asked["before"],
    )
