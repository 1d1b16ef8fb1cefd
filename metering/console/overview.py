"""The console's first page: what came in, what it is worth, and what waits for a person."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from metering import dollars
from metering.console import backlog, figures
from metering.console.jobs import words
from metering.console.jobs.runs import run_summary, troubled
from metering.console.money import receivables
from metering.console.money.revenue import Comparison, Revenue, revenue
from metering.console.reports.margin import margin_panel
from metering.payments.mails.models import Notice
from metering.payments.models import Dispute
from metering.payments.refunds import attention
from metering.usage.query import UsageRow
from workspaces.models import AuditEntry, Workspace

RECENT_ENTRIES = 8
# Distinct in light and in dark, and for people who see fewer colours; the last is for all other models.
COLOURS = ["#3b82f6", "#14b8a6", "#f59e0b", "#a855f7", "#ec4899", "#94a3b8"]
GREY = "#9ca3af"
CHART_OPTIONS = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {
        "legend": {
            "position": "bottom",
            "labels": {"color": GREY, "usePointStyle": True, "pointStyle": "circle", "boxWidth": 6, "boxHeight": 6},
        }
    },
    "scales": {
        "x": {"stacked": True, "grid": {"display": False}, "ticks": {"color": GREY, "maxRotation": 0, "autoSkipPadding": 16}},
        "y": {
            "stacked": True,
            "beginAtZero": True,
            "border": {"display": False},
            "title": {"display": True, "text": "USD", "color": GREY},
            "ticks": {"color": GREY, "maxTicksLimit": 6},
            "grid": {"lineWidth": 0.5},
        },
    },
}


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the template shows; unfold calls this for the index page."""
    now = timezone.now()
    found = revenue(now)
    return context | {
        "title": "Overview",
        "now": now,
        "cards": _cards(found),
        "receivables": receivables.cards(now),
        "alerts": _alerts(now),
        "chart": json.dumps(_chart(found)),
        "chart_options": json.dumps(CHART_OPTIONS),
        "columns_of_workspaces": ["Workspace", "#Requests", "#Spend"],
        "columns_of_models": ["Model", "#Requests", "#Spend"],
        "top_workspaces": [_workspace_row(workspace, row) for workspace, row in found.top_workspaces],
        "top_models": [_model_row(row) for row in found.top_models],
        "margin": margin_panel(now),
        "entries": AuditEntry.objects.select_related("workspace").order_by("-id")[:RECENT_ENTRIES],
    }


def _cards(found: Revenue) -> list[dict[str, Any]]:
    month = found.month
    tokens = [row.input_tokens + row.output_tokens for row in (month.current, month.before)]
    return [
        _card(
            "Spend today",
            found.today,
            dollars.usd_text(found.today.current.cost),
            dollars.usd_text(found.today.before.cost),
            "cost",
        ),
        _card("Spend this month", month, dollars.usd_text(month.current.cost), dollars.usd_text(month.before.cost), "cost"),
        _card("Requests this month", month, f"{month.current.requests:,}", f"{month.before.requests:,}", "requests"),
        {
            "title": "Tokens this month",
            "value": figures.short(tokens[0]),
            "exact": f"{tokens[0]:,} tokens: {month.current.input_tokens:,} input, {month.current.output_tokens:,} output",
            "change": figures.change(*tokens),
            "before": f"{figures.short(tokens[1])} on {month.before_is}",
            "then": f"on {month.before_is}",
        },
    ]


def _card(title: str, compared: Comparison, value: str, before: str, measure: str) -> dict[str, Any]:
    current, earlier = (getattr(row, measure) for row in (compared.current, compared.before))
    on = compared.before_is if compared.before_is == "yesterday" else f"on {compared.before_is}"
    return {
        "title": title,
        "value": value,
        "exact": f"{current:,}" + (" USD" if measure == "cost" else ""),
        "change": figures.change(current, earlier),
        "before": f"{before} {on}",
        "then": on,
    }


def _alerts(now: datetime) -> list[dict[str, Any]]:
    """What waits, each with where to go; `calm` when nothing does."""
    waiting, oldest, failing = backlog.waiting_batches(), backlog.oldest_waiting(), backlog.failing_batches()
    quarantined, unpriced, models = backlog.open_quarantine(), backlog.unpriced_requests(), backlog.unpriced_models()
    return [
        {
            "title": "Waiting batches",
            "value": waiting.text,
            "note": f"oldest {figures.age(oldest, now)}, {failing.text} failing" if oldest else "nothing waits",
            "calm": not waiting,
            "link": f"{reverse('admin:metering_batch_changelist')}?status__exact=pending",
        },
        {
            "title": "Quarantined events",
            "value": quarantined.text,
            "note": "open, kept with their reasons" if quarantined else "nothing is open",
            "calm": not quarantined,
            "link": reverse("admin:metering_quarantinedevent_changelist"),
        },
        {
            "title": "Unpriced requests",
            "value": f"{unpriced:,}",
            "note": f"of {models:,} model{'' if models == 1 else 's'}: set a price" if unpriced else "everything has a price",
            "calm": not unpriced,
            "link": reverse("admin:metering_usageevent_unpriced"),
        },
        _jobs_alert(now),
        *_money_alerts(),
        receivables.void_months_alert(),
    ]


def _money_alerts() -> list[dict[str, Any]]:
    found = [
        ("Disputes", "dispute", Dispute.objects.unresolved(), "not over: answer them at Stripe", "none runs"),
        (
            "Surplus payments",
            "payment",
            attention.surpluses(),
            "no open invoice: refund or keep them",
            "none without an open invoice",
        ),
        ("Mails not sent", "notice", Notice.objects.failing(), "failed, or without an address", "none failed"),
    ]
    return [
        {
            "title": title,
            "value": (waiting := backlog.at_most(rows)).text,
            "note": note if waiting else calm,
            "calm": not waiting,
            "link": f"{reverse(f'admin:metering_{table}_changelist')}?state=waiting",
        }
        for title, table, rows, note, calm in found
    ]


def _jobs_alert(now: datetime) -> dict[str, Any]:
    runs = troubled(now)
    known = words.names() if runs else {}
    return {
        "title": "Jobs",
        "value": f"{len(runs)}",
        "note": ", ".join(f"{words.name_of(run.job, known)}: {run_summary(run)}" for run in runs)[:160] or "all went well",
        "calm": not runs,
        "link": reverse("admin:metering_jobrun_changelist"),
    }


def _chart(found: Revenue) -> dict[str, Any]:
    """Spend per day and model for Chart.js, which reads the decimals from text."""
    return {
        "labels": [f"{day.day} {day:%b}" for day in found.days],
        "datasets": [
            {
                "label": series.name,
                "data": [format(value, "f") for value in series.values],
                "backgroundColor": COLOURS[at % len(COLOURS)],
            }
            for at, series in enumerate(found.series)
        ],
    }


def _workspace_row(workspace: Workspace, row: UsageRow) -> list[SafeString]:
    page = reverse("admin:workspaces_workspace_change", args=[workspace.pk])
    name = format_html('<a class="console-link" href="{}">{}</a>', page, workspace.name)
    return [name, figures.count_html(row.requests), figures.cost_html(row)]


def _model_row(row: UsageRow) -> list[SafeString]:
    models = reverse("admin:metering_languagemodel_changelist")
    slug = row.groups["model"]
    name = format_html('<a class="console-link" href="{}?q={}">{}</a>', models, slug, slug)
    return [name, figures.count_html(row.requests), figures.cost_html(row)]
