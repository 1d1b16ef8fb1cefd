"""Reports by month, for operators: deferred revenue, tax, revenue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.utils import timezone

from metering.console import figures
from metering.console.reports.parts import Cells, FinanceReport, ReportFile, Table, amount_cell, in_total
from metering.money import from_smallest_unit
from metering.periods import Period, month_of, parse_month, period_of_months
from metering.reports import deferred_revenue, revenue, taxes
from metering.usage.query import UsageQuestion, usage_of_all_workspaces
from workspaces.console.kit import fields

MOST_MONTHS = 36


class MonthsForm(forms.Form):
    """Whole months; `period` is all of them."""

    first = fields.text("from month", "YYYY-MM, included.", max_length=7)
    last = fields.text("to month", "YYYY-MM, included.", max_length=7)

    def clean_first(self) -> Period:
        return _month(self.cleaned_data["first"])

    def clean_last(self) -> Period:
        return _month(self.cleaned_data["last"])

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if "first" in asked and "last" in asked:
            try:
                asked["period"] = period_of_months(asked["first"], asked["last"], MOST_MONTHS)
            except ValueError as error:
                raise forms.ValidationError(str(error)) from None
        return asked


def _month(text: str) -> Period:
    try:
        return parse_month(text)
    except ValueError as error:
        raise forms.ValidationError(str(error)) from None


def _this_year() -> dict[str, str]:
    month = month_of(timezone.now()).start
    return {"first": f"{month:%Y}-01", "last": f"{month:%Y-%m}"}


def _amounts(units: Iterable[int], currency: str) -> Cells:
    return [amount_cell(from_smallest_unit(each, currency), currency) for each in units]


def _file(name: str, columns: list[str], rows: Callable[[Period], Iterable[dict[str, Any]]]) -> Callable[..., ReportFile]:
    def file(asked: dict[str, Any]) -> ReportFile:
        period: Period = asked["period"]
        months = f"{asked['first'].start:%Y-%m} to {asked['last'].start:%Y-%m}"
        return ReportFile(f"{name}-{months.replace(' ', '-')}.csv", columns, rows(period), {"months": months})

    return file


def _deferred(asked: dict[str, Any]) -> list[Table]:
    rows = [
        [f"{each.month:%Y-%m}", *_amounts([getattr(each, name) for name in deferred_revenue.AMOUNTS], each.currency)]
        for each in deferred_revenue.deferred_revenue(asked["period"])
    ]
    columns = ["Month", *(f"#{name.capitalize()}" for name in deferred_revenue.AMOUNTS)]
    note = "Opening + bought - used - expired - refunded = closing. Withdrawn credit is among the refunded."
    return [Table("Credit bought and not yet earned", note, columns, rows, "No credit was ever bought.")]


def _taxes(asked: dict[str, Any]) -> list[Table]:
    rows = [
        [f"{each.month:%Y-%m}", each.rate, *_amounts([each.charged, each.reversed, each.net], each.currency)]
        for each in taxes.taxes_by_month(asked["period"])
    ]
    columns = ["Month", "Rate", "#Charged", "#Reversed", "#Net"]
    note = "Charged by invoices, reversed by voids and credit notes, each in the month of its act."
    return [Table("Tax by rate and month", note, columns, rows, "No tax was charged in these months.")]


def _revenue(asked: dict[str, Any]) -> list[Table]:
    found = revenue.revenue_by_customer(asked["period"])
    rows = [_revenue_cells(each) for each in found]
    rows += [in_total(_revenue_cells(each)) for each in revenue.monthly_totals(found)]
    columns = ["Month", "Customer", *(f"#{name.capitalize()}" for name in revenue.COLUMNS), "#Total"]
    note = "From the journal, in the month of the act: an invoice counts in the month in which it is finalized. Without tax."
    booked = Table("Revenue by customer and month", note, columns, rows, "Nothing was earned in these months.")
    return [booked, _usage(asked["period"], "month", "model"), _usage(asked["period"], "day")]


def _revenue_cells(row: revenue.RevenueMonth) -> Cells:
    whose = row.workspace.name if row.workspace else f"All, {row.currency}"
    return [f"{row.month:%Y-%m}", whose, *_amounts([*row.amounts.values(), row.total], row.currency)]


def _usage(period: Period, bucket: str, *groups: str) -> Table:
    """What was metered, which the journal does not know by model or day."""
    found = usage_of_all_workspaces(UsageQuestion(None, period.start, period.end, bucket, groups), sandboxes=False).rows
    pattern = "%Y-%m" if bucket == "month" else "%Y-%m-%d"
    rows = [
        [
            f"{row.start:{pattern}}",
            *(row.groups[name] for name in groups),
            figures.count_html(row.requests),
            figures.cost_html(row),
        ]
        for row in found
        if row.requests
    ]
    columns = [bucket.capitalize(), *(name.capitalize() for name in groups), "#Requests", "#Cost"]
    note = "From metered usage, in the month or on the day of the request: before discounts, minimums and what was voided."
    title = "Usage by model and month" if groups else "Usage by day"
    return Table(title, note, columns, rows, "Nothing was used in these months.")


DEFERRED_REVENUE = FinanceReport(
    "deferred-revenue",
    "Deferred revenue",
    "Credit that customers bought: the balance at the beginning of each month, what changed it, and the balance at its end.",
    MonthsForm,
    _this_year,
    _deferred,
    _file(
        "deferred-revenue",
        deferred_revenue.CSV_COLUMNS,
        lambda period: deferred_revenue.deferred_rows(deferred_revenue.deferred_revenue(period)),
    ),
)
TAX = FinanceReport(
    "tax",
    "Tax",
    "What invoices charged of each rate of tax, and what was reversed of it, by month.",
    MonthsForm,
    _this_year,
    _taxes,
    _file("tax", taxes.CSV_COLUMNS, lambda period: taxes.tax_csv_rows(taxes.taxes_by_month(period))),
)
REVENUE = FinanceReport(
    "revenue",
    "Revenue",
    "What was earned of each customer by month, from the journal; and what was used by model and by day, from metered usage.",
    MonthsForm,
    _this_year,
    _revenue,
    _file("revenue", revenue.CSV_COLUMNS, lambda period: revenue.revenue_rows(revenue.revenue_by_customer(period))),
)
