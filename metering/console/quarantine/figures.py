"""The figures above the quarantine's list: by reason, by day, and what it might bill."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from metering import dollars
from metering.console import figures
from metering.console.backlog import unpriced_requests
from metering.console.overview import CHART_OPTIONS, COLOURS
from metering.console.quarantine import totals
from metering.console.quarantine.reasons import REASONS, reason_of

SCALES: Any = CHART_OPTIONS["scales"]
CHART = CHART_OPTIONS | {"scales": {"x": SCALES["x"], "y": SCALES["y"] | {"title": {"display": False}}}}


def summary(now: datetime) -> dict[str, Any]:
    """What the template above the list shows."""
    reasons, over_time = totals.totals_by_reason(), totals.quarantined_by_day(now)
    events, unknown = sum(each.events for each in reasons), sum(each.unknown for each in reasons)
    held_up = sum((each.estimate for each in reasons), Decimal(0))
    in_conflicts = sum((each.estimate for each in reasons if each.outcome == "conflict"), Decimal(0))
    return {
        "events": events,
        "cut_off": events >= totals.MOST,
        "held_up": dollars.usd_text(held_up),
        "in_conflicts": dollars.usd_text(in_conflicts) if in_conflicts else "",
        "unknown": unknown,
        "unpriced": unpriced_requests(),
        "reason_columns": ["Reason", "#Open", "#Would bill", "#Oldest"],
        "reasons": [_reason_row(each, now) for each in reasons],
        "day_columns": ["Day (UTC)", *(f"#{_words(code)}" for code in over_time.series), "#All"],
        "days": [_day_row(*row) for row in over_time.rows()],
        "days_cut_off": over_time.cut_off,
        "chart": json.dumps(_chart(over_time)),
        "chart_options": json.dumps(CHART),
    }


def _words(code: str) -> str:
    return reason_of(code).words if code in REASONS else code


def _reason_row(each: totals.ReasonTotal, now: datetime) -> list[SafeString]:
    link = format_html('<a class="console-link" href="?code={}">{}</a>', each.code, reason_of(each.code).words)
    amount = figures.figure("unknown")
    if each.estimated:
        note = '<span>{}<br><span class="console-note console-nowrap">{} unknown</span></span>'
        amount = figures.money(each.estimate)
        amount = format_html(note, amount, f"{each.unknown:,}") if each.unknown else amount
    return [link, figures.count_html(each.events), amount, figures.figure(figures.age(each.oldest, now))]


def _day_row(day: datetime, numbers: list[int], total: int) -> list[SafeString]:
    asked = urlencode({"state": "all", "created_at_from": f"{day:%Y-%m-%d}", "created_at_to": f"{day:%Y-%m-%d}"})
    link = format_html('<a class="console-link console-nowrap" href="?{}">{}</a>', asked, f"{day:%Y-%m-%d}")
    return [link, *map(figures.count_html, numbers), figures.count_html(total)]


def _chart(over_time: totals.OverTime) -> dict[str, Any]:
    return {
        "labels": [f"{day.day} {day:%b}" for day in over_time.days],
        "datasets": [
            {"label": _words(code), "data": values, "backgroundColor": COLOURS[at % len(COLOURS)]}
            for at, (code, values) in enumerate(over_time.series.items())
        ],
    }
