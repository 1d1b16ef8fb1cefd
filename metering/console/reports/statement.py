"""The statement of account of a workspace, for operators."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from metering.console import figures
from metering.console.reports.parts import Cells, DaysForm, FinanceReport, ReportFile, Table
from metering.periods import month_of, previous_month
from metering.reports.printed_statement import PrintedEntry, printed_entries, statement_name, statement_pdf
from metering.reports.statement import CSV_COLUMNS, Statement, statement_of, statement_rows
from workspaces.console.kit import fields

INTRO = "Every entry of the journal that moved what a workspace owes, its credit, or what it is owed, between two balances."
NOTE = "Balance: due on invoices, less credit and less what is owed to the customer. A dash: nothing of it moved."
COLUMNS = ["Day", "Entry", "#Invoices due", "#Credit", "#Owed to customer", "#Balance"]


class StatementForm(DaysForm):
    workspace = fields.workspace()
    field_order = ("workspace", "first_day", "last_day")


def _last_days() -> dict[str, str]:
    """Last month and this one until today."""
    now = timezone.now()
    return {"first_day": f"{previous_month(month_of(now)).start:%Y-%m-%d}", "last_day": f"{now:%Y-%m-%d}"}


def _found(asked: dict[str, Any]) -> Statement:
    return statement_of(asked["workspace"], asked["period"])


def _tables(asked: dict[str, Any]) -> list[Table]:
    rows = [_cells(each) for each in printed_entries(_found(asked))]
    return [Table(f"{asked['workspace'].name}, {asked['period']}", NOTE, COLUMNS, rows, "")]


def _cells(row: PrintedEntry) -> Cells:
    amounts = [figures.figure(text or "-") for text in (row.due, row.credit, row.owed)]
    text = f"{row.text} {row.number}".strip()
    return [row.day, text, *amounts, format_html("<strong>{}</strong>", figures.figure(row.balance))]


def _file(asked: dict[str, Any]) -> ReportFile:
    found = _found(asked)
    about = {"of": asked["workspace"].public_id, "days": str(asked["period"])}
    return ReportFile(f"{statement_name(found)}.csv", CSV_COLUMNS, statement_rows(found), about)


def _pdf(asked: dict[str, Any]) -> tuple[bytes, str]:
    found = _found(asked)
    return statement_pdf(found), statement_name(found)


STATEMENT = FinanceReport("statement", "Statements", INTRO, StatementForm, _last_days, _tables, _file, _pdf)
