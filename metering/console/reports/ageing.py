"""Ageing, for operators."""

from __future__ import annotations

from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from metering.console.reports.parts import Cells, FinanceReport, ReportFile, Table, amount_cell, in_total
from metering.reports.ageing import BANDS, CSV_COLUMNS, AgeingRow, ageing, ageing_rows
from workspaces.console.kit import fields

INTRO = "What was not paid at the end of a day, by how long it was overdue. It adds up to what the journal calls receivable."
NOTE = "Acts of later days do not change it. Below zero is money whose value date is before its invoice."


class AgeingForm(forms.Form):
    day = fields.day_field("at the end of (UTC)")


def _today() -> dict[str, str]:
    return {"day": timezone.now().date().isoformat()}


def _tables(asked: dict[str, Any]) -> list[Table]:
    report = ageing(asked["day"])
    rows = [_cells(each) for each in report.rows] + [in_total(_cells(each)) for each in report.totals]
    columns = ["Workspace", *(f"#{label}" for label in BANDS.values()), "#Total"]
    return [Table(f"Owed at the end of {report.day}", NOTE, columns, rows, "Nothing was owed on that day.")]


def _cells(row: AgeingRow) -> Cells:
    amounts = [amount_cell(row.amount(band), row.currency) for band in BANDS]
    return [_name(row), *amounts, amount_cell(row.total, row.currency)]


def _name(row: AgeingRow) -> str:
    if row.workspace is None:
        return f"Total {row.currency}"
    page = reverse("admin:workspaces_workspace_change", args=[row.workspace.pk])
    return format_html('<a class="console-link" href="{}">{}</a>', page, row.workspace.name)


def _file(asked: dict[str, Any]) -> ReportFile:
    report = ageing(asked["day"])
    return ReportFile(f"ageing-{report.day}.csv", CSV_COLUMNS, ageing_rows(report), {"as_of": str(report.day)})


AGEING = FinanceReport("ageing", "Ageing", INTRO, AgeingForm, _today, _tables, _file)
