"""What happened to accounts in each month, by kind of act, from the journal. Months are UTC's, by the day of the act."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from metering.journal.accounts import JournalAccount
from metering.journal.entries import Kind
from metering.periods import Period, floor_month, next_month

MOVEMENTS = """
SELECT date_trunc('month', happened_at, 'UTC'), account, CASE WHEN %(by_part)s THEN part ELSE '' END, currency, kind,
       kind = ANY(%(with_invoices)s) AND EXISTS (
           SELECT FROM metering_journalposting other WHERE other.entry_id = entry.id AND other.account = 'receivable'
       ) AS touches_invoice,
       sum(amount)::bigint
FROM metering_journalentry entry JOIN metering_journalposting posting ON posting.entry_id = entry.id
WHERE happened_at >= %(start)s AND happened_at < %(end)s AND account = ANY(%(accounts)s)
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""
# Credit that an invoice uses, and that it gives back. What comes back otherwise is of a refund that failed.
WITH_INVOICES = (Kind.CREDIT_USED, Kind.CREDIT_RETURNED)


@dataclass(frozen=True, slots=True)
class MonthlyMovement:
    """The sum of what acts of one kind moved in a month: `units` of the currency's smallest, above zero as a debit.

    Of all workspaces, and of the whole account where its parts were not asked for.
    """

    month: datetime
    account: JournalAccount
    part: str
    currency: str
    kind: Kind
    touches_invoice: bool
    units: int


def monthly_movements(period: Period, accounts: Iterable[JournalAccount], by_part: bool = False) -> list[MonthlyMovement]:
    """The earliest month first. One statement, whose rows do not grow with what is not asked for."""
    asked: dict[str, Any] = {
        "start": period.start,
        "end": period.end,
        "accounts": [each.value for each in accounts],
        "by_part": by_part,
        "with_invoices": [each.value for each in WITH_INVOICES],
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVEMENTS, asked)
        return [
            MonthlyMovement(month, JournalAccount(account), part, currency, Kind(kind), touches, units)
            for month, account, part, currency, kind, touches, units in cursor.fetchall()
        ]


def months_of(period: Period) -> list[datetime]:
    """The first instants of its months."""
    months, month = [], floor_month(period.start)
    while month < period.end:
        months.append(month)
        month = next_month(month)
    return months
