"""Revenue by customer and month, from the journal: in the month of the act, such as the finalizing of an invoice."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from metering.journal.accounts import JournalAccount
from metering.money import currency_text
from metering.periods import Period
from metering.reports.monthly import monthly_movements
from workspaces.models import Workspace

_A = JournalAccount
COLUMNS = {
    "usage": _A.REVENUE_USAGE,
    "adjustments": _A.REVENUE_ADJUSTMENT,
    "minimums": _A.REVENUE_MINIMUM,
    "fees": _A.REVENUE_FEES,
    "manual": _A.REVENUE_ONE_OFF,
    "discounts": _A.DISCOUNT,
    "breakage": _A.BREAKAGE,
}


@dataclass(slots=True)
class RevenueMonth:
    """In the currency's smallest unit, above zero as income; `workspace` is None for all of the month."""

    month: datetime
    workspace: Workspace | None
    currency: str
    amounts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))

    @property
    def total(self) -> int:
        return sum(self.amounts.values())


def revenue_by_customer(period: Period) -> list[RevenueMonth]:
    """The earliest month first, and in it by the customer's name. Two statements."""
    names = {account: name for name, account in COLUMNS.items()}
    moved = monthly_movements(period, names, by_workspace=True)
    workspaces = Workspace.objects.in_bulk({each.workspace_id for each in moved if each.workspace_id is not None})
    rows: dict[tuple[datetime, str, int, str], RevenueMonth] = {}
    for each in moved:
        workspace = workspaces[each.workspace_id or 0]
        named = (each.month, workspace.name.lower(), workspace.pk, each.currency)
        row = rows.setdefault(named, RevenueMonth(each.month, workspace, each.currency))
        row.amounts[names[each.account]] -= each.units
    return [rows[named] for named in sorted(rows)]


def monthly_totals(rows: list[RevenueMonth]) -> list[RevenueMonth]:
    totals: dict[tuple[datetime, str], RevenueMonth] = {}
    for row in rows:
        total = totals.setdefault((row.month, row.currency), RevenueMonth(row.month, None, row.currency))
        for name, units in row.amounts.items():
            total.amounts[name] += units
    return [totals[named] for named in sorted(totals)]


CSV_COLUMNS = ["month", "workspace_id", "workspace", *COLUMNS, "total", "currency"]


def revenue_rows(rows: list[RevenueMonth]) -> Iterator[dict[str, Any]]:
    for row in rows:
        amounts = {name: currency_text(units, row.currency) for name, units in row.amounts.items()}
        whose = {"workspace_id": row.workspace.public_id, "workspace": row.workspace.name} if row.workspace else {}
        total = currency_text(row.total, row.currency)
        yield {"month": f"{row.month:%Y-%m}", "currency": row.currency, "total": total} | whose | amounts
