"""What is used but has no price: by model, tier and workspace, with the way to set one."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from metering.dashboards.console import backlog, figures

COLUMNS = ["Model", "Tier", "Workspace", "#Requests", "#Input tokens", "#First day", "#Last day", ""]


def unpriced_page(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """The list, largest first; from rollups alone."""
    found = backlog.unpriced_by_cause()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Unpriced requests",
        "columns": COLUMNS,
        "rows": [_row(each) for each in found],
        "total": sum(each["total"] for each in found),
        "cut_off": len(found) == backlog.ENOUGH,
    }
    return TemplateResponse(request, "admin/console/unpriced.html", context)


def _row(each: dict[str, Any]) -> list[SafeString]:
    return [
        format_html("<strong>{}</strong>", each["model__slug"]),
        format_html("{}", each["service_tier__name"]),
        _workspace(each),
        figures.count(each["total"]),
        figures.count(each["input"]),
        figures.figure(f"{each['first_hour']:%Y-%m-%d}"),
        figures.figure(f"{each['last_hour']:%Y-%m-%d}"),
        format_html('<a class="console-link console-nowrap" href="{}">Set a price</a>', _price_form(each)),
    ]


def _workspace(each: dict[str, Any]) -> SafeString:
    question = {"workspace": each["workspace_id"], "model": each["model__slug"]}
    question |= {"first_day": each["first_hour"].date(), "last_day": each["last_hour"].date()}
    events = f"{reverse('admin:metering_usageevent_changelist')}?{urlencode(question)}"
    return format_html('<a class="console-link" href="{}">{}</a>', events, each["workspace__name"])


def _price_form(each: dict[str, Any]) -> str:
    """The price form, filled so that the price covers the oldest waiting request."""
    given = {
        "model": each["model__slug"],
        "service_tier": each["service_tier__name"],
        "effective_from": each["first_hour"].isoformat(),
    }
    return f"{reverse('admin:metering_priceversion_add')}?{urlencode(given)}"
