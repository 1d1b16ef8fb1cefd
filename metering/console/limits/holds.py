"""What is held now, requests that were refused, and those that were allowed and never ended."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from metering.console import figures
from metering.limits.gateway.unaccounted import unaccounted
from metering.limits.held_and_refused import WHY
from metering.limits.models import Hold, HoldStatus, RefusedRequests
from metering.periods import DAY, floor_day
from workspaces.console.kit.base import OperatorAdmin
from workspaces.models import Gateway

DAYS = 30
LONGEST = 32  # of names in lists; a row's page has them whole
COLUMNS = ["Day (UTC)", "Gateway", "#Authorised", "#Settled", "#Released", "#Running", "#Unaccounted", "#Unaccounted USD"]
STATES = ("authorised", "settled", "released", "live", "unaccounted")


class HoldAdmin(OperatorAdmin):
    """Those that run now. What became of the others is summed up on the page of unaccounted requests."""

    called = "Held now"
    when_empty = "Nothing is held: no gateway has asked about a request that still runs."
    list_display = ("request_text", "workspace", "key", "model_text", "held", "made", "until")
    list_display_links = ("request_text",)
    list_filter = (("workspace", AutocompleteSelectFilter), ("gateway", AutocompleteSelectFilter))
    list_select_related = ("workspace", "key", "gateway")
    search_fields = ("public_id__exact", "request_id__exact")
    search_help_text = "The id of a hold or of its request"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("public_id", "request_id"),
        ("workspace", "key"),
        ("gateway", "model"),
        ("user", "held"),
        ("input_tokens", "max_output_tokens"),
        ("made", "until"),
    )
    readonly_fields = tuple(name for row in fields for name in row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold]:
        return super().get_queryset(request).filter(status=HoldStatus.LIVE)

    def heading_of(self, row: Hold) -> str:
        return row.public_id

    @display(description="request")
    def request_text(self, hold: Hold) -> str:
        return Truncator(hold.request_id).chars(LONGEST)

    @display(description="model")
    def model_text(self, hold: Hold) -> str:
        return Truncator(hold.model).chars(LONGEST)

    @display(description="held")
    def held(self, hold: Hold) -> SafeString:
        return figures.money(hold.amount)

    @display(description="since (UTC)")
    def made(self, hold: Hold) -> str:
        return figures.moment(hold.created_at)

    @display(description="until (UTC)")
    def until(self, hold: Hold) -> str:
        return figures.moment(hold.expires_at)

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.unaccounted_page)
        return [path("unaccounted/", page, name="metering_hold_unaccounted"), *super().get_urls()]

    def unaccounted_page(self, request: HttpRequest) -> HttpResponse:
        """Of the last 30 days by gateway, the newest day first."""
        now = timezone.now()
        found = unaccounted(floor_day(now) - timedelta(days=DAYS), floor_day(now) + DAY, None)
        names = dict(Gateway.objects.values_list("public_id", "name"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Unaccounted requests",
            "columns": COLUMNS,
            "rows": [_row(each, names) for each in reversed(found["data"])],
            "days": DAYS,
            "requests": found["total"]["unaccounted"]["requests"],
            "usd": figures.money(Decimal(found["total"]["unaccounted"]["usd"])),
            "authorised": found["total"]["authorised"]["requests"],
        }
        return TemplateResponse(request, "console/limits/unaccounted.html", context)


class RefusedRequestsAdmin(OperatorAdmin):
    called = "Refused requests"
    when_empty = "Requests that were refused when a gateway asked about them appear here, by hour and reason, for 30 days."
    list_display = ("why", "workspace", "key", "model_text", "many", "hour_text", "last_text")
    list_display_links = ("why",)
    list_filter = (("workspace", AutocompleteSelectFilter),)
    list_select_related = ("workspace", "key")
    search_fields = ("last_request_id__exact", "budget__exact", "model__exact")
    search_help_text = "The last request's id, a budget's id, or a model"
    ordering = ("-last_at", "-id")
    sortable_by = ()
    fields = (("why", "budget"), ("workspace", "key"), ("model", "many"), ("hour_text", "last_text"), "last_request_id")
    readonly_fields = ("why", "budget", "workspace", "key", "model", "many", "hour_text", "last_text", "last_request_id")

    @display(description="reason")
    def why(self, refused: RefusedRequests) -> str:
        return WHY.get(refused.reason, refused.reason)

    @display(description="model")
    def model_text(self, refused: RefusedRequests) -> str:
        return Truncator(refused.model).chars(LONGEST)

    @display(description="requests")
    def many(self, refused: RefusedRequests) -> SafeString:
        return figures.count_html(refused.requests)

    @display(description="hour (UTC)")
    def hour_text(self, refused: RefusedRequests) -> str:
        return figures.moment(refused.hour)

    @display(description="last (UTC)")
    def last_text(self, refused: RefusedRequests) -> str:
        return figures.moment(refused.last_at)


def _row(each: dict[str, Any], names: dict[str, str]) -> list[SafeString]:
    counts = [figures.count_html(each[state]["requests"]) for state in STATES]
    gateway = names.get(each["gateway_id"], each["gateway_id"])
    return [
        figures.figure(each["day"]),
        format_html("{}", gateway),
        *counts,
        figures.money(Decimal(each["unaccounted"]["usd"])),
    ]


admin.site.register(Hold, HoldAdmin)
admin.site.register(RefusedRequests, RefusedRequestsAdmin)
