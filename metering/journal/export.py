"""The journal as text, by the day of the act and then in the order of posting.

What it says of a month depends on that month's entries alone, never on how documents are now: once the month is locked, it is
the same for ever.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db import connection

from metering.journal.accounts import CHART, AccountType, JournalAccount
from metering.journal.models import JournalEntry
from metering.money import from_smallest_unit
from metering.periods import DAY, Period
from metering.usage.exports import csv_lines
from omixa_billing.instants import instant_text

CSV, BEANCOUNT = "csv", "beancount"
FORMATS = (CSV, BEANCOUNT)
HEADER = [
    *("day", "entry_id", "kind", "document", "workspace_id", "account", "account_number", "part", "currency"),
    *("debit", "credit", "happened_at", "booked_at", "actor"),
]
ROWS = """
SELECT entry.public_id, entry.kind, entry.document, entry.happened_at, entry.booked_at, entry.actor, workspace.public_id,
       posting.account, posting.part, posting.currency, posting.amount
FROM metering_journalentry entry JOIN metering_journalposting posting ON posting.entry_id = entry.id
JOIN workspaces_workspace workspace ON workspace.id = posting.workspace_id
WHERE entry.happened_at >= %s AND entry.happened_at < %s ORDER BY entry.id, posting.id
"""
# Beancount's five roots, and what bookkeepers expect of them.
ROOTS = {
    AccountType.ASSET: "Assets",
    AccountType.LIABILITY: "Liabilities",
    AccountType.INCOME: "Income",
    AccountType.EXPENSE: "Expenses",
}
DAYS = """
SELECT DISTINCT date_trunc('day', happened_at, 'UTC') FROM metering_journalentry
WHERE happened_at >= %s AND happened_at < %s ORDER BY 1
"""
Row = tuple[str, str, str, datetime, datetime, str, str, str, str, str, int]


def exported(period: Period, file_format: str) -> Iterator[str]:
    """The entries of [start, end), a few lines at a time."""
    rows = journal_rows(period)
    return beancount_text(rows) if file_format == BEANCOUNT else csv_text(rows)


def digest_of_month(period: Period) -> tuple[int, str]:
    """How many entries the month has, and the SHA-256 of what they say."""
    digest, entries = sha256(), set()
    for row in journal_rows(period):
        entries.add(row[0])
        digest.update(repr(tuple(map(str, row))).encode())
    return len(entries), digest.hexdigest()


def journal_rows(period: Period) -> Iterator[Row]:
    """Asked for day by day, so that a year takes no more memory than its largest day. Days without an entry cost nothing."""
    with connection.cursor() as cursor:
        cursor.execute(DAYS, [period.start, period.end])
        days: list[tuple[datetime]] = cursor.fetchall()
    for (day,) in days:
        with connection.cursor() as cursor:
            cursor.execute(ROWS, [max(day, period.start), min(day + DAY, period.end)])
            rows: list[Row] = cursor.fetchall()
        yield from rows


def csv_text(rows: Iterable[Row]) -> Iterator[str]:
    """Debits and credits in columns of their own, both above zero."""
    return csv_lines(HEADER, _csv_rows(rows))


def _csv_rows(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for public_id, kind, document, happened_at, booked_at, actor, workspace, account, part, currency, units in rows:
        amount = _amount_text(abs(units), currency)
        sides = [amount, ""] if units > 0 else ["", amount]
        what = [f"{happened_at.astimezone(UTC):%Y-%m-%d}", public_id, kind, document, workspace]
        where = [account, settings.JOURNAL_ACCOUNTS.get(account, ""), part, currency]
        when = [instant_text(happened_at) or "", instant_text(booked_at) or ""]
        yield dict(zip(HEADER, [*what, *where, *sides, *when, actor], strict=True))


def beancount_text(rows: Iterable[Row]) -> Iterator[str]:
    """A ledger that stands alone: every account is opened, and every entry is a transaction."""
    yield "\n".join(_opened(account) for account in CHART) + "\n"
    for _, postings in groupby(rows, key=lambda row: row[0]):
        yield _transaction(list(postings))


def beancount_name(account: JournalAccount) -> str:
    """`Assets:Money-Stripe`."""
    return f"{ROOTS[CHART[account].type]}:{account.value.replace('_', ' ').title().replace(' ', '-')}"


def _opened(account: JournalAccount) -> str:
    number = settings.JOURNAL_ACCOUNTS.get(account.value)
    return f"1970-01-01 open {beancount_name(account)}" + (f"\n  number: {_quoted(number)}" if number else "")


def _transaction(rows: list[Row]) -> str:
    public_id, kind, document, happened_at, booked_at, actor, workspace, *_ = rows[0]
    day, label = happened_at.astimezone(UTC), JournalEntry.Kind(kind).label
    lines = [
        f"\n{day:%Y-%m-%d} * {_quoted(workspace)} {_quoted(f'{label}: {document}')}",
        *(f"  {name}: {_quoted(value)}" for name, value in (("entry", public_id), ("kind", kind), ("document", document))),
        f"  happened: {_quoted(instant_text(happened_at))}",
        f"  booked: {_quoted(instant_text(booked_at))}",
        f"  actor: {_quoted(actor)}",
    ]
    for *_, whose, account, part, currency, units in rows:
        lines.append(f"  {beancount_name(JournalAccount(account))}  {_amount_text(units, currency)} {currency}")
        lines += [f"    part: {_quoted(part)}"] if part else []
        lines += [f"    workspace: {_quoted(whose)}"] if whose != workspace else []
    return "\n".join(lines) + "\n"


def _quoted(text: str | None) -> str:
    kept = " ".join((text or "").split())
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _amount_text(units: int, currency: str) -> str:
    amount: Decimal = from_smallest_unit(units, currency)
    return format(amount, "f")
