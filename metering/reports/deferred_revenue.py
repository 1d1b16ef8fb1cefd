"""The roll-forward of deferred revenue: bought credit at the beginning of a month, what moved it, and at its end.

Every movement is in one of the columns, so that opening and movements are the closing, which is the journal's balance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metering.journal.accounts import JournalAccount
from metering.journal.entries import Kind
from metering.money import currency_text
from metering.periods import Period
from metering.reports.earlier_balances import balances_at
from metering.reports.monthly import MonthlyMovement, monthly_movements, months_of

BOUGHT = (Kind.CREDIT_GRANTED, Kind.SURPLUS_ASSIGNED)


@dataclass(slots=True)
class DeferredMonth:
    """In the currency's smallest unit. `used` is less what came back from void invoices, `refunded` less refunds that failed.

    Withdrawn credit is among the refunded, as is what a lost dispute withdraws.
    """

    month: datetime
    currency: str
    opening: int
    bought: int = 0
    used: int = 0
    expired: int = 0
    refunded: int = 0

    @property
    def closing(self) -> int:
        return self.opening + self.bought - self.used - self.expired - self.refunded

    def add(self, moved: MonthlyMovement) -> None:
        if moved.kind in BOUGHT:
            self.bought -= moved.units
        elif moved.touches_invoice:
            self.used += moved.units
        elif moved.kind == Kind.CREDIT_EXPIRED:
            self.expired += moved.units
        else:
            self.refunded += moved.units


def deferred_revenue(period: Period) -> list[DeferredMonth]:
    """A row for each of its months and each currency, also where nothing moved. Two statements."""
    opening: dict[str, int] = {}
    for before in balances_at(period.start, [JournalAccount.CREDIT_BOUGHT]):
        opening[before.currency] = opening.get(before.currency, 0) - before.units
    moved = monthly_movements(period, [JournalAccount.CREDIT_BOUGHT])
    rows = []
    for currency in sorted({*opening, *(each.currency for each in moved)}):
        left = opening.get(currency, 0)
        for month in months_of(period):
            row = DeferredMonth(month, currency, left)
            for each in moved:
                if (each.month, each.currency) == (month, currency):
                    row.add(each)
            rows.append(row)
            left = row.closing
    return sorted(rows, key=lambda row: (row.currency, row.month))


AMOUNTS = ("opening", "bought", "used", "expired", "refunded", "closing")
CSV_COLUMNS = ["month", *AMOUNTS, "currency"]


def deferred_rows(rows: list[DeferredMonth]) -> Iterator[dict[str, Any]]:
    for row in rows:
        amounts = {name: currency_text(getattr(row, name), row.currency) for name in AMOUNTS}
        yield {"month": f"{row.month:%Y-%m}", "currency": row.currency} | amounts
