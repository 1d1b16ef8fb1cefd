"""The statement of account as people read it: on a page and as PDF."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from metering.dollars import usd_rounded
from metering.invoicing.documents.parties import buyer, seller
from metering.invoicing.documents.pdf import typeset
from metering.money import from_smallest_unit
from metering.reports.statement import Position, Statement
from omixa_billing.api.errors import InvalidParameter

MOST_PRINTED = 1_000
COLUMNS = ["Invoices due", "Credit", "Owed to you", "Balance"]
SIGNS = "Balance: what is due on invoices, less credit and less what is owed to you. Below zero it is in your favour."


@dataclass(frozen=True, slots=True)
class PrintedEntry:
    """Every amount a text, empty where nothing of it moved; `balance` is what it was after the entry."""

    day: str
    text: str
    number: str
    due: str
    credit: str
    owed: str
    balance: str


def amount_text(units: int, currency: str) -> str:
    amount = from_smallest_unit(units, currency)
    return usd_rounded(amount) if currency == "USD" else f"{amount:,f} {currency}"


def printed_entries(statement: Statement) -> list[PrintedEntry]:
    """The opening, each entry, the closing."""
    first, last = statement.period.start, statement.period.end - timedelta(microseconds=1)
    rows = [_position("Opening balance", first, statement.opening, statement.currency)]
    for each in statement.entries:
        due, credit, owed = (
            amount_text(units, statement.currency) if units else ""
            for units in (each.change.due, each.change.credit, each.change.owed)
        )
        day, balance = f"{each.entry.happened_at:%Y-%m-%d}", amount_text(each.after.balance, statement.currency)
        rows.append(PrintedEntry(day, each.entry.get_kind_display(), each.number, due, credit, owed, balance))
    return [*rows, _position("Closing balance", last, statement.closing, statement.currency)]


def _position(text: str, at: datetime, there: Position, currency: str) -> PrintedEntry:
    due, credit, owed, balance = (
        amount_text(units, currency) for units in (there.due, there.credit, there.owed, there.balance)
    )
    return PrintedEntry(f"{at:%Y-%m-%d}", text, "", due, credit, owed, balance)


def statement_pdf(statement: Statement) -> bytes:
    """The same statement gives the same bytes. Raises InvalidParameter for more entries than print in a moment."""
    if len(statement.entries) > MOST_PRINTED:
        raise InvalidParameter(f"More than {MOST_PRINTED:,} entries: choose fewer days, or the CSV.", param="end")
    rows = printed_entries(statement)
    balance = rows[-1].balance
    return typeset(
        _context(statement),
        notes=[],
        headline=("Balance", balance),
        columns=["Entry", *COLUMNS],
        sections=[{"title": "", "rows": [_cells(row) for row in rows]}],
        totals=[("Invoices due", rows[-1].due), ("Credit", rows[-1].credit), ("Owed to you", rows[-1].owed)],
        last=("Balance", balance),
        small=SIGNS,
        mark="",
    )


def _cells(row: PrintedEntry) -> list[str]:
    return [" ".join(filter(None, [row.day, row.text, row.number])), row.due, row.credit, row.owed, row.balance]


def _context(statement: Statement) -> dict[str, Any]:
    return {
        "title": "Statement of account",
        "seller": seller(),
        "buyer": buyer(statement.workspace),
        "facts": [("Days", str(statement.period)), ("Currency", statement.currency)],
    }


def statement_name(statement: Statement) -> str:
    """What its files are called, without what they end in."""
    return f"statement-{statement.workspace.public_id}-{str(statement.period).replace(' ', '-')}"
