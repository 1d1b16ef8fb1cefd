"""What accounts come to: one row for each, however long their history."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Sum

from metering.journal.accounts import CHART, MONEY, JournalAccount
from metering.journal.models import JournalBalance
from metering.money import currency_text, from_smallest_unit

NOTHING = Decimal("0.00")
NOW = """
SELECT account, currency, sum(balance)::bigint FROM metering_journalbalance WHERE part = '' GROUP BY 1, 2
"""
# What is kept less what happened since. An account that was not moved by then is none of that day's.
THEN = """
WITH since AS (
    SELECT account, currency, sum(amount) AS amount FROM metering_journalposting
    JOIN metering_journalentry entry ON entry.id = entry_id WHERE happened_at > %(at)s GROUP BY 1, 2
), by_then AS (
    SELECT account, currency, (sum(balance) - coalesce(max(since.amount), 0))::bigint AS balance
    FROM metering_journalbalance LEFT JOIN since USING (account, currency) WHERE part = '' GROUP BY 1, 2
)
SELECT account, currency, balance FROM by_then WHERE balance <> 0 OR EXISTS (
    SELECT FROM metering_journalposting posting JOIN metering_journalentry entry ON entry.id = entry_id
    WHERE happened_at <= %(at)s AND posting.account = by_then.account AND posting.currency = by_then.currency)
"""


def balance_of_account(workspace_id: int, account: JournalAccount, currency: str, part: str = "") -> Decimal:
    """In units of the currency, and above zero on the account's usual side: what is owed, held, earned or spent."""
    kept = JournalBalance.objects.filter(workspace=workspace_id, account=account, part=part, currency=currency)
    units = kept.values_list("balance", flat=True).first() or 0
    return from_smallest_unit(units if CHART[account].is_debit else -units, currency)


def left_of_payment(workspace_id: int, payment: str, currency: str) -> Decimal:
    """What of the payment with this public id did not go back, is not on its way back, and is not in dispute."""
    kept = JournalBalance.objects.filter(
        workspace=workspace_id, account__in=[*MONEY, JournalAccount.REFUNDS_IN_PROGRESS], part=payment, currency=currency
    )
    return from_smallest_unit(kept.aggregate(left=Sum("balance"))["left"] or 0, currency)


def trial_balance(at: datetime | None = None, prove: bool = True) -> dict[str, Any]:
    """Every account of all workspaces, `balance` above zero as a debit and below as a credit, so that all add up to nothing.

    Of what happened until `at`; without it as the kept balances say, which are `ok` if the postings say the same: to `prove`
    that reads all of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(*((NOW,) if at is None else (THEN, {"at": at})))
        sums = {(account, currency): units for account, currency, units in cursor.fetchall()}
    ok = _add_up_to_nothing(sums) and (at is not None or not prove or not unlike_their_postings())
    order = {account.value: place for place, account in enumerate(CHART)}
    return {
        "ok": ok,
        "accounts": [
            {"account": account, "currency": currency, "balance": currency_text(units, currency)}
            for (account, currency), units in sorted(sums.items(), key=lambda each: (order[each[0][0]], each[0][1]))
        ],
    }


UNLIKE = """
WITH posted AS (
    SELECT workspace_id, account, part, currency, sum(amount) AS amount FROM (
        SELECT workspace_id, account, whole_or_part.part, currency, amount FROM metering_journalposting posting
        CROSS JOIN LATERAL (SELECT '' UNION SELECT posting.part) AS whole_or_part (part)
    ) AS part GROUP BY 1, 2, 3, 4
)
, unlike AS (
    SELECT workspace_id, account, part, currency, coalesce(amount, 0)::bigint AS posted, coalesce(balance, 0) AS kept
    FROM posted FULL JOIN metering_journalbalance USING (workspace_id, account, part, currency)
    WHERE coalesce(amount, 0) <> coalesce(balance, 0)
)
SELECT workspace.public_id, account, part, unlike.currency, posted, kept
FROM unlike JOIN workspaces_workspace workspace ON workspace.id = workspace_id ORDER BY 1, 2, 3, 4
"""


def unlike_their_postings() -> list[tuple[str, str, str, str, int, int]]:
    """Balances that are not what their postings add up to: workspace, account, part, currency, and both in smallest units."""
    with connection.cursor() as cursor:
        cursor.execute(UNLIKE)
        return cursor.fetchall()


def _add_up_to_nothing(sums: Mapping[tuple[str, str], int]) -> bool:
    currencies: dict[str, int] = {}
    for (_, currency), units in sums.items():
        currencies[currency] = currencies.get(currency, 0) + units
    return not any(currencies.values())
