"""What is used but has no price: by model, tier and workspace, what it might cost, and the way to set one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from metering import dollars
from metering.console import backlog, figures
from metering.console.usage.nearest_price import Guess, guesses

COLUMNS = ["Model, tier", "Workspace", "#Requests", "#Input tokens", "#Output tokens", "#Days", "#Might cost", ""]


def unpriced_page(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """The list, largest first; from rollups alone."""
    found = backlog.unpriced_by_cause()
    guessed = guesses(found)
    known = [each.cost for each in guessed if each is not None]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Unpriced requests",
        "columns": COLUMNS,
        "rows": [_row(each, guess) for each, guess in zip(found, guessed, strict=True)],
        "might_cost": dollars.usd_text(sum(known, Decimal(0))) if known else "",
        "unknown": sum(each["total"] for each, guess in zip(found, guessed, strict=True) if guess is None),
        "total": sum(each["total"] for each in found),
        "cut_off": len(found) == backlog.ENOUGH,
    }
    return TemplateResponse(request, "console/usage/unpriced.html", context)


def _row(each: dict[str, Any], guess: Guess | None) -> list[SafeString]:
    model = '<span><strong>{}</strong><br><span class="console-note">{}</span></span>'
    return [
        format_html(model, each["model__slug"], each["service_tier__name"]),
        _workspace(each),
        figures.count_html(each["total"]),
        figures.count_html(each["input"]),
        figures.count_html(each["output"]),
        _days(each),
        _might_cost(guess),
        format_html('<a class="console-link console-nowrap" href="{}">Set a price</a>', _price_form(each)),
    ]


def _days(each: dict[str, Any]) -> SafeString:
    first, last = f"{each['first_hour']:%Y-%m-%d}", f"{each['last_hour']:%Y-%m-%d}"
    days = figures.figure(first) if first == last else figures.figure(f"{first} to {last}")
    return format_html('<span class="console-days">{}</span>', days)


def _might_cost(guess: Guess | None) -> SafeString:
    """With the price that it is guessed by."""
    if guess is None:
        return figures.figure("unknown")
    version = guess.version
    by = f"by {version.service_tier}, from {version.effective_from:%Y-%m-%d}"
    return format_html('<span>{}<br><span class="console-note">{}</span></span>', figures.money(guess.cost), by)


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
