"""What accounts came to at any instant: their kept balances less what happened since.

So a report of today costs as little as the kept balances do, and one of an old day as much as what happened after it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from metering.journal.accounts import JournalAccount

BALANCES_AT = """
WITH since AS (
    SELECT posting.workspace_id, account, CASE WHEN %(by_part)s THEN part ELSE '' END AS part, currency, sum(amount) AS amount
    FROM metering_journalentry entry JOIN metering_journalposting posting ON entry_id = entry.id
    WHERE happened_at >= %(at)s AND account = ANY(%(accounts)s)
      AND (%(workspace)s::bigint IS NULL OR posting.workspace_id = %(workspace)s)
    GROUP BY 1, 2, 3, 4
)
SELECT workspace_id, account, part, currency, (balance - coalesce(amount, 0))::bigint
FROM metering_journalbalance kept LEFT JOIN since USING (workspace_id, account, part, currency)
WHERE account = ANY(%(accounts)s) AND (part <> '') = %(by_part)s AND balance <> coalesce(amount, 0)
  AND (%(workspace)s::bigint IS NULL OR workspace_id = %(workspace)s)
ORDER BY 1, 2, 3, 4
"""


class EarlierBalance(NamedTuple):
    """`units` of the currency's smallest, above zero as a debit."""

    workspace_id: int
    account: JournalAccount
    part: str
    currency: str
    units: int


def balances_at(
    at: datetime, accounts: Iterable[JournalAccount], by_part: bool = False, workspace_id: int | None = None
) -> list[EarlierBalance]:
    """What is not nothing of these accounts by all that happened before `at`, of one workspace or of all. One statement."""
    asked: dict[str, Any] = {
        "at": at,
        "accounts": [each.value for each in accounts],
        "by_part": by_part,
        "workspace": workspace_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(BALANCES_AT, asked)
        return [EarlierBalance(whose, JournalAccount(account), *rest) for whose, account, *rest in cursor.fetchall()]
