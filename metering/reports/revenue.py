"""Revenue by customer and month, from the journal: in the month of the act, such as the finalizing of an invoice."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from metering.journal.accounts import JournalAccount
from metering.money import currency_text
from metering.periods import Period
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


# A row for each that the report shows, and not for each account: that is most of what the answer takes.
BY_CUSTOMER = f"""
SELECT date_trunc('month', happened_at, 'UTC'), posting.workspace_id, currency,
       {", ".join(f"coalesce(-sum(amount) FILTER (WHERE account = '{each}'), 0)::bigint" for each in COLUMNS.values())}
FROM metering_journalentry entry JOIN metering_journalposting posting ON posting.entry_id = entry.id
WHERE happened_at >= %(start)s AND happened_at < %(end)s AND account = ANY(%(accounts)s) GROUP BY 1, 2, 3
"""  # noqa: S608 - accounts


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
    asked: dict[str, Any] = {"start": period.start, "end": period.end, "accounts": [each.value for each in COLUMNS.values()]}
    with connection.cursor() as cursor:
        cursor.execute(BY_CUSTOMER, asked)
        found = cursor.fetchall()
    workspaces = Workspace.objects.in_bulk({whose for _, whose, *_ in found})
    rows = [
        RevenueMonth(month, workspaces[whose], currency, dict(zip(COLUMNS, units, strict=True)))
        for month, whose, currency, *units in found
    ]
    places = {each.pk: (each.name.lower(), each.pk) for each in workspaces.values()}
    return sorted(rows, key=lambda row: (row.month, places[row.workspace.pk] if row.workspace else (), row.currency))


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
