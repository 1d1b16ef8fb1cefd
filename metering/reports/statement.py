"""The statement of account of a workspace: what it owed, had and was owed, and every entry that moved it.

The opening comes from the journal as it was then, so that any two statements of adjoining times fit together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.journal.accounts import CREDITS, JournalAccount
from metering.journal.models import JournalEntry, JournalPosting
from metering.money import currency_text
from metering.periods import Period
from metering.reports.earlier_balances import balances_at
from omixa_billing.instants import instant_text
from workspaces.models import Workspace

_A = JournalAccount
OWED = (_A.OWED_TO_CUSTOMER, _A.SURPLUS, _A.REFUNDS_IN_PROGRESS, _A.REFUNDED_AHEAD)
ACCOUNTS = (_A.RECEIVABLE, *CREDITS, *OWED)


@dataclass(frozen=True, slots=True)
class Position:
    """In the currency's smallest unit: due on invoices, credit left, and owed to the customer.

    The last is below zero where more went back than credit notes say so far.
    """

    due: int = 0
    credit: int = 0
    owed: int = 0

    @property
    def balance(self) -> int:
        """Above zero what the customer would pay if all were settled, below what the customer has."""
        return self.due - self.credit - self.owed

    def __add__(self, other: "Position") -> "Position":
        return Position(self.due + other.due, self.credit + other.credit, self.owed + other.owed)


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """`number` is that of the invoice or credit note it is about, if it has one; `change` moves the position to `after`."""

    entry: JournalEntry
    number: str
    change: Position
    after: Position


@dataclass(frozen=True, slots=True)
class Statement:
    """`opening` and the changes of all `entries` add up to `closing`."""

    workspace: Workspace
    period: Period
    currency: str
    opening: Position
    entries: list[StatementEntry]
    closing: Position


def statement_of(workspace: Workspace, period: Period) -> Statement:
    """By the day of each act, the earliest first, in the workspace's currency. Five statements, however long its history."""
    currency = workspace.currency
    before = balances_at(period.start, ACCOUNTS, workspace_id=workspace.pk)
    opening = _position((each.account, each.units) for each in before if each.currency == currency)
    changes, invoices = _changes(workspace, period)
    entries = JournalEntry.objects.in_bulk(changes)
    ordered = sorted(entries.values(), key=lambda each: (each.happened_at, each.pk))
    numbers = _numbers(ordered, invoices)
    at, rows = opening, []
    for entry in ordered:
        change = _position(changes[entry.pk])
        at += change
        rows.append(StatementEntry(entry, numbers[entry.pk], change, at))
    return Statement(workspace, period, currency, opening, rows, at)


def _position(moved: Iterable[tuple[JournalAccount, int]]) -> Position:
    due = credit = owed = 0
    for account, units in moved:
        if account == _A.RECEIVABLE:
            due += units
        elif account in CREDITS:
            credit -= units
        else:
            owed -= units
    return Position(due, credit, owed)


def _changes(workspace: Workspace, period: Period) -> tuple[dict[int, list[tuple[JournalAccount, int]]], dict[int, str]]:
    """What each entry moved, and the invoice whose receivable it touched."""
    found = JournalPosting.objects.filter(
        workspace=workspace,
        currency=workspace.currency,
        account__in=ACCOUNTS,
        entry__happened_at__gte=period.start,
        entry__happened_at__lt=period.end,
    ).order_by("pk")
    changes: dict[int, list[tuple[JournalAccount, int]]] = {}
    invoices: dict[int, str] = {}
    for entry, account, part, units in found.values_list("entry_id", "account", "part", "amount"):
        changes.setdefault(entry, []).append((JournalAccount(account), units))
        if account == _A.RECEIVABLE:
            invoices.setdefault(entry, part)
    return changes, invoices


def _numbers(entries: list[JournalEntry], invoices: dict[int, str]) -> dict[int, str]:
    """Of the entry's own document, else of the invoice that it touches; empty where neither has one."""
    named = {each.document for each in entries}
    numbers: dict[str, str | None] = dict(CreditNote.objects.filter(public_id__in=named).values_list("public_id", "number"))
    numbers |= dict(Invoice.objects.filter(public_id__in=named | set(invoices.values())).values_list("public_id", "number"))
    return {each.pk: numbers.get(each.document) or numbers.get(invoices.get(each.pk, "")) or "" for each in entries}


def position_json(position: Position, currency: str) -> dict[str, str]:
    amounts = {
        "invoices_due": position.due,
        "credit": position.credit,
        "owed_to_customer": position.owed,
        "balance": position.balance,
    }
    return {name: currency_text(units, currency) for name, units in amounts.items()}


def statement_json(statement: Statement) -> dict[str, Any]:
    return {
        "object": "statement",
        "workspace_id": statement.workspace.public_id,
        "start": instant_text(statement.period.start),
        "end": instant_text(statement.period.end),
        "currency": statement.currency,
        "opening": position_json(statement.opening, statement.currency),
        "entries": [_entry_json(each, statement.currency) for each in statement.entries],
        "closing": position_json(statement.closing, statement.currency),
    }


def _entry_json(row: StatementEntry, currency: str) -> dict[str, Any]:
    """Its changes, and the balance after it."""
    return {
        "id": row.entry.public_id,
        "at": instant_text(row.entry.happened_at),
        "kind": row.entry.kind,
        "document_id": row.entry.document,
        "number": row.number,
        **position_json(row.change, currency),
        "balance": currency_text(row.after.balance, currency),
    }


CSV_COLUMNS = [
    *("at", "kind", "document_id", "number"),
    *("invoices_due", "credit", "owed_to_customer", "balance", "currency", "id"),
]
AT_FIRST, AT_LAST = "opening", "closing"


def statement_rows(statement: Statement) -> Iterator[dict[str, Any]]:
    """Of the CSV: the opening and the closing position, and between them what each entry changed."""
    currency = statement.currency

    def position(kind: str, at: datetime, there: Position) -> dict[str, Any]:
        nothing = {"document_id": None, "number": None, "id": None}
        return {"at": instant_text(at), "kind": kind, "currency": currency} | nothing | position_json(there, currency)

    yield position(AT_FIRST, statement.period.start, statement.opening)
    for each in statement.entries:
        yield {"currency": currency} | _entry_json(each, currency)
    yield position(AT_LAST, statement.period.end, statement.closing)
