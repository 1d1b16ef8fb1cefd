"""The journal in the console: its entries, the sheet of an account, and the trial balance. Nothing of it is ever changed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSingleDateWidget

from metering.console import figures
from metering.journal.accounts import CHART, JournalAccount
from metering.journal.balances import trial_balance
from metering.journal.models import JournalEntry, JournalPosting
from metering.money import currency_text
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline
from workspaces.console.kit.filters import DaysFilter

A_MOMENT = timedelta(microseconds=1)
COLUMNS = ["Account", "Currency", "#Debit", "#Credit"]
SHEET_COLUMNS = ["Day (UTC)", "Act", "Workspace", "Part", "#Debit", "#Credit", "Currency"]
ON_A_SHEET = 100


def sides(amount: str) -> tuple[SafeString, SafeString]:
    """A signed amount as text, as it stands in the two columns of a sheet."""
    nothing = figures.figure("")
    return (nothing, figures.figure(amount[1:])) if amount.startswith("-") else (figures.figure(amount), nothing)


class DayForm(forms.Form):
    at = forms.DateField(label="At the end of the day (UTC)", required=False, widget=UnfoldAdminSingleDateWidget())


class PostingsOfAnEntry(ReadOnlyInline):
    model = JournalPosting
    fields = ("account", "part", "debit_text", "credit_text", "currency")
    readonly_fields = fields
    ordering = ("pk",)
    per_page = 50
    verbose_name_plural = "postings"

    @display(description="debit")
    def debit_text(self, posting: JournalPosting) -> SafeString:
        return sides(currency_text(posting.amount, posting.currency))[0]

    @display(description="credit")
    def credit_text(self, posting: JournalPosting) -> SafeString:
        return sides(currency_text(posting.amount, posting.currency))[1]


class JournalEntryAdmin(OperatorAdmin):
    called = "Journal"
    when_empty = "Every act that moves money, or a promise of it, posts an entry here."
    list_display = ("day", "kind", "document", "workspace", "booked", "actor")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("workspace", AutocompleteSelectFilter),
        ("happened_at", DaysFilter),
    )
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact", "document__exact")
    search_help_text = "The id of an entry, or of the document that it is about"
    ordering = ("-id",)
    sortable_by = ()
    fields = (("kind", "document"), ("workspace", "actor"), ("happened", "booked"), "public_id")
    readonly_fields = ("kind", "document", "workspace", "actor", "happened", "booked", "public_id")
    inlines = (PostingsOfAnEntry,)

    def heading_of(self, row: JournalEntry) -> str:
        return f"{row.get_kind_display()}: {row.document}"

    @display(description="day (UTC)")
    def day(self, entry: JournalEntry) -> str:
        return f"{entry.happened_at.astimezone(UTC):%Y-%m-%d}"

    @display(description="happened (UTC)")
    def happened(self, entry: JournalEntry) -> str:
        return figures.moment(entry.happened_at)

    @display(description="booked (UTC)")
    def booked(self, entry: JournalEntry) -> str:
        return figures.moment(entry.booked_at)

    def get_urls(self) -> list[Any]:
        balances = self.admin_site.admin_view(self.trial_balance_page)
        sheet = self.admin_site.admin_view(self.account_page)
        return [
            path("trial-balance/", balances, name="metering_journalentry_trial_balance"),
            path("accounts/<str:account>/", sheet, name="metering_journalentry_account"),
            *super().get_urls(),
        ]

    def trial_balance_page(self, request: HttpRequest) -> HttpResponse:
        """As everything stands now, or at the end of a day that was asked for, in UTC. That balances are what was posted is
        proven by `reconcile`, and not at each look: that reads the whole journal.
        """
        form = DayForm(request.GET)
        day = form.cleaned_data["at"] if form.is_valid() else None
        until = None if day is None else datetime.combine(day, time(0), tzinfo=UTC) + timedelta(days=1) - A_MOMENT
        found = trial_balance(until, prove=False)
        context = {
            **self.admin_site.each_context(request),
            "media": self.media + form.media,
            "form": form,
            "chosen": "at" in request.GET,
            "title": "Trial balance",
            "columns": COLUMNS,
            "rows": [_row(**each) for each in found["accounts"]],
            "ok": found["ok"],
            "day": day,
        }
        return TemplateResponse(request, "console/money/trial_balance.html", context)

    def account_page(self, request: HttpRequest, account: str) -> HttpResponse:
        """What was posted to one account, newest first, from the posting on whose number the address says."""
        if account not in CHART:
            raise Http404("There is no such account.")
        postings = JournalPosting.objects.filter(account=account).select_related("entry", "workspace").order_by("-pk")
        if (before := request.GET.get("before", "")).isdecimal() and len(before) < 19:
            postings = postings.filter(pk__lt=int(before))
        page = list(postings[: ON_A_SHEET + 1])
        context = {
            **self.admin_site.each_context(request),
            "title": CHART[JournalAccount(account)].label,
            "columns": SHEET_COLUMNS,
            "rows": [_posted(each) for each in page[:ON_A_SHEET]],
            "older": page[ON_A_SHEET - 1].pk if len(page) > ON_A_SHEET else None,
        }
        return TemplateResponse(request, "console/money/account_sheet.html", context)


def _posted(posting: JournalPosting) -> list[SafeString]:
    entry = posting.entry
    link = reverse("admin:metering_journalentry_change", args=[entry.pk])
    return [
        format_html('<span class="console-nowrap">{}</span>', f"{entry.happened_at.astimezone(UTC):%Y-%m-%d}"),
        format_html('<a class="console-link" href="{}">{}</a>', link, entry.get_kind_display()),
        format_html("{}", posting.workspace),
        format_html("{}", posting.part),
        *sides(currency_text(posting.amount, posting.currency)),
        format_html("{}", posting.currency),
    ]


def _row(account: str, currency: str, balance: str) -> list[SafeString]:
    sheet = reverse("admin:metering_journalentry_account", args=[account])
    label = CHART[JournalAccount(account)].label
    return [format_html('<a class="console-link" href="{}">{}</a>', sheet, label), format_html("{}", currency), *sides(balance)]


admin.site.register(JournalEntry, JournalEntryAdmin)
