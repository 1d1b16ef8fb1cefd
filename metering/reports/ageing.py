"""Ageing: what was owed at the end of a day, by how long it was overdue. It adds up to the `receivable` of that day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import groupby
from typing import Any

from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.money import currency_text, from_smallest_unit
from metering.periods import DAY
from metering.reports.earlier_balances import balances_at
from workspaces.models import Workspace

# How many days overdue the first one of each is; what is due later, or that day, is not overdue.
BANDS = {
    "not_due": "Not due",
    "days_1_30": "1 to 30 days",
    "days_31_60": "31 to 60",
    "days_61_90": "61 to 90",
    "over_90": "Over 90",
}
BEGINS = {"days_1_30": 1, "days_31_60": 31, "days_61_90": 61, "over_90": 91}


@dataclass(frozen=True, slots=True)
class OpenItem:
    """What of an invoice was not paid, credited, written off or voided by then, in the currency's smallest unit.

    Below zero where money came, by its value date, before the invoice did.
    """

    workspace: Workspace
    invoice: str
    number: str
    due_on: date | None
    days_overdue: int
    currency: str
    units: int

    @property
    def band(self) -> str:
        return band_of(self.days_overdue)


@dataclass(frozen=True, slots=True)
class AgeingRow:
    """The open items of a workspace in one currency, or of all in it: then without a workspace."""

    workspace: Workspace | None
    currency: str
    items: list[OpenItem]

    def amount(self, band: str) -> Decimal:
        return self._sum(each.units for each in self.items if each.band == band)

    @property
    def total(self) -> Decimal:
        return self._sum(each.units for each in self.items)

    def _sum(self, units: Iterable[int]) -> Decimal:
        return from_smallest_unit(sum(units), self.currency)


@dataclass(frozen=True, slots=True)
class Ageing:
    """`rows` by the workspace's name; `totals` one for each currency."""

    day: date
    items: list[OpenItem]
    rows: list[AgeingRow]
    totals: list[AgeingRow]


def band_of(days_overdue: int) -> str:
    return [band for band in BANDS if days_overdue >= BEGINS.get(band, days_overdue)][-1]


def ageing(day: date) -> Ageing:
    """As of the end of `day`, UTC, by what had happened then: acts of later days do not change it. Three statements."""
    end = datetime.combine(day, time(0), UTC) + DAY
    found = balances_at(end, [JournalAccount.RECEIVABLE], by_part=True)
    workspaces = Workspace.objects.in_bulk({each.workspace_id for each in found})
    named = Invoice.objects.filter(public_id__in=[each.part for each in found])
    invoices = {public_id: (number, due) for public_id, number, due in named.values_list("public_id", "number", "due_at")}
    items = []
    for each in found:
        number, due_at = invoices.get(each.part, (None, None))
        due_on = due_at.astimezone(UTC).date() if due_at else None
        late = (day - due_on).days if due_on else 0
        whose = workspaces[each.workspace_id]
        items.append(OpenItem(whose, each.part, number or each.part, due_on, late, each.currency, each.units))
    items.sort(
        key=lambda each: (each.workspace.name.lower(), each.workspace.pk, each.currency, -each.days_overdue, each.number)
    )
    rows = [
        AgeingRow(workspace, currency, list(of_row))
        for (workspace, currency), of_row in groupby(items, key=lambda each: (each.workspace, each.currency))
    ]
    currencies = sorted({each.currency for each in items})
    totals = [AgeingRow(None, each, [item for item in items if item.currency == each]) for each in currencies]
    return Ageing(day, items, rows, totals)


CSV_COLUMNS = [
    "as_of",
    "workspace_id",
    "workspace",
    "invoice_id",
    "number",
    "due_on",
    "days_overdue",
    "band",
    "currency",
    "amount",
]


def ageing_rows(report: Ageing) -> Iterator[dict[str, Any]]:
    """Of the CSV: one for each invoice of which something was open."""
    for each in report.items:
        yield {
            "as_of": report.day.isoformat(),
            "workspace_id": each.workspace.public_id,
            "workspace": each.workspace.name,
            "invoice_id": each.invoice,
            "number": each.number,
            "due_on": each.due_on.isoformat() if each.due_on else None,
            "days_overdue": str(max(each.days_overdue, 0)),
            "band": each.band,
            "currency": each.currency,
            "amount": currency_text(each.units, each.currency),
        }
