"""Tax by rate and month: what invoices charged, and what voids and credit notes took back, each in the month of its act."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metering.journal.accounts import JournalAccount
from metering.journal.entries import Kind
from metering.money import currency_text
from metering.periods import Period
from metering.reports.monthly import monthly_movements


@dataclass(slots=True)
class TaxMonth:
    """In the currency's smallest unit; `rate` is such as `19 % VAT`."""

    month: datetime
    rate: str
    currency: str
    charged: int = 0
    reversed: int = 0

    @property
    def net(self) -> int:
        return self.charged - self.reversed


def taxes_by_month(period: Period) -> list[TaxMonth]:
    """The earliest month first. One statement."""
    rows: dict[tuple[datetime, str, str], TaxMonth] = {}
    for each in monthly_movements(period, [JournalAccount.TAX], by_part=True):
        named = (each.month, each.part, each.currency)
        row = rows.setdefault(named, TaxMonth(*named))
        if each.kind == Kind.INVOICE_FINALIZED:
            row.charged -= each.units
        else:
            row.reversed += each.units
    return [rows[named] for named in sorted(rows)]


AMOUNTS = ("charged", "reversed", "net")
CSV_COLUMNS = ["month", "rate", *AMOUNTS, "currency"]


def tax_csv_rows(rows: list[TaxMonth]) -> Iterator[dict[str, Any]]:
    for row in rows:
        amounts = {name: currency_text(getattr(row, name), row.currency) for name in AMOUNTS}
        yield {"month": f"{row.month:%Y-%m}", "rate": row.rate, "currency": row.currency} | amounts
