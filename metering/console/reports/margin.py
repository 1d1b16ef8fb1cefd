"""What is left of what customers pay after what providers charge, for operators."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from metering.catalogue.providers.models import ProviderPrice
from metering.console import figures
from metering.console.reports.parts import Cells, DaysForm, FinanceReport, ReportFile, Table, amount_cell, in_total
from metering.periods import month_of
from metering.reports.margins import CSV_COLUMNS, MARGIN_GROUPS, MarginRow, margin_json, margins, total_of
from workspaces.console.kit import fields

INTRO = (
    "What customers pay for their usage beside what providers charge us for it, by the provider costs that were set. "
    "A request that no provider's card covers has an unknown cost: it is counted, and is in no margin. One that still waits "
    "for a price is counted as unpriced: what it costs us is in the margin, and what it brings is not yet."
)
LABELS = {"model": "Model", "provider": "Provider", "route": "Route", "workspace": "Workspace", "key_id": "API key"}
FIGURES = ["#Requests", "#Of unknown cost", "#Unpriced", "#Revenue", "#Provider cost", "#Margin", "#Margin %"]
UNKNOWN = "unknown"
ON_OVERVIEW = 5  # models


class MarginForm(DaysForm):
    by = fields.choice("by", list(LABELS.items()))


def _this_month() -> dict[str, str]:
    now = timezone.now()
    return {"first_day": f"{month_of(now).start:%Y-%m-%d}", "last_day": f"{now:%Y-%m-%d}", "by": "model"}


def _tables(asked: dict[str, Any]) -> list[Table]:
    found = margins(asked["period"], [asked["by"]])
    rows = [_cells(_name(each.groups[asked["by"]]), each) for each in found]
    if len(found) > 1:
        rows.append(in_total(_cells("Total", total_of(found))))
    label = LABELS[asked["by"]]
    note = "Revenue is what usage costs customers, without discounts, minimums, fees and taxes."
    return [Table(f"Margin by {label.lower()}", note, [label, *FIGURES], rows, "Nothing was used in these days.")]


def _name(name: str | None) -> str:
    return UNKNOWN if name is None else name or "none"


def _cells(name: str, row: MarginRow) -> Cells:
    return [
        name,
        figures.count_html(row.requests),
        figures.count_html(row.unknown_requests),
        figures.count_html(row.unpriced_requests),
        amount_cell(row.revenue, "USD"),
        _known(row.provider_cost),
        _known(row.margin),
        _percent(row),
    ]


def _known(amount: Decimal | None) -> Any:
    return figures.figure(UNKNOWN) if amount is None else amount_cell(amount, "USD")


def _percent(row: MarginRow) -> SafeString:
    return figures.figure("" if row.margin_percent is None else f"{row.margin_percent}%")


def _file(asked: dict[str, Any]) -> ReportFile:
    days = f"{asked['first_day']} to {asked['last_day']}"
    rows = (margin_json(row) for row in margins(asked["period"], MARGIN_GROUPS))
    return ReportFile(f"margin-{days.replace(' ', '-')}.csv", list(CSV_COLUMNS), rows, {"days": days})


MARGIN = FinanceReport("margin", "Margin", INTRO, MarginForm, _this_month, _tables, _file)


def margin_panel(now: datetime) -> dict[str, Any] | None:
    """For the overview: the running month by model, and where the rest is. None where nothing says what providers charge."""
    if not ProviderPrice.objects.exists():
        return None
    found = margins(month_of(now), ["model"])
    rows = [_cells(_name(each.groups["model"]), each) for each in found[:ON_OVERVIEW]]
    if found:
        rows.append(in_total(_cells("Total", total_of(found))))
    page = reverse("admin:metering_journalposting_margin")
    links = [(f"by {label.lower()}", f"{page}?{urlencode({'by': name})}") for name, label in LABELS.items()]
    return {"columns": ["Model", *FIGURES], "rows": rows, "links": links}
