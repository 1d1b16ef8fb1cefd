"""Proof that the journal agrees with itself and with the documents. Writes nothing.

What a document should have posted is asked of the documents alone, so that an entry which is missing, is of another amount, or
has no document, is named.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from metering.journal.balances import unlike_their_postings
from metering.journal.lock import changed_since_locked
from metering.money import cents_text, currency_text, from_smallest_unit
from metering.rows import fetch_together

UNBALANCED = """
SELECT entry.public_id, entry.key, currency, coalesce(sum(amount), 0)::bigint, count(amount)
FROM metering_journalentry entry LEFT JOIN metering_journalposting posting ON posting.entry_id = entry.id
GROUP BY entry.id, currency HAVING coalesce(sum(amount), 0) <> 0 OR count(amount) = 0 ORDER BY entry.id
"""

# Of each document: the key of its entry, the accounts that show its amount, and the amount, a debit above zero.
DOCUMENTS = """
SELECT 'invoice_finalized' AS kind, public_id AS document, currency, subtotal + tax AS amount,
    '{receivable}'::text[] AS accounts FROM metering_invoice WHERE status <> 'draft'
UNION ALL SELECT 'invoice_voided', public_id, currency, -subtotal - tax, '{receivable}' FROM metering_invoice
    WHERE status = 'void'
UNION ALL SELECT 'credit_note', public_id, currency, -total, '{receivable,owed_to_customer}' FROM metering_creditnote
UNION ALL SELECT 'payment_received', public_id, currency, amount, '{money_stripe,money_bank}' FROM metering_payment
UNION ALL SELECT 'refund_begun', public_id, currency, -amount, '{refunds_in_progress}' FROM metering_refund
UNION ALL SELECT 'refund_made', public_id, currency, -amount, '{money_stripe,money_bank}' FROM metering_refund
    WHERE status = 'succeeded'
UNION ALL SELECT CASE WHEN entry.kind = 'grant' THEN 'credit_granted' WHEN entry.kind = 'consumption' THEN 'credit_used'
        WHEN entry.kind = 'expiry' THEN 'credit_expired' WHEN entry.amount > 0 THEN 'credit_returned'
        ELSE 'credit_reversed' END,
    entry.public_id, given.currency, -entry.amount, '{credit_bought,credit_promotional,credit_goodwill}'
FROM metering_creditentry entry JOIN metering_creditgrant given ON given.id = entry.grant_id WHERE entry.kind <> 'transfer'
UNION ALL SELECT 'transfer', public_id, currency, 0, '{credit_bought,credit_promotional,credit_goodwill}'
FROM metering_credittransfer
"""
OF_DOCUMENTS = [
    *("invoice_finalized", "invoice_voided", "credit_note", "payment_received", "refund_begun", "refund_made"),
    *("credit_granted", "credit_used", "credit_expired", "credit_returned", "credit_reversed", "transfer"),
]
# A refund that was made and failed afterwards has an entry for both.
UNLIKE_DOCUMENTS = f"""
WITH document AS ({DOCUMENTS}), posted AS (
    SELECT entry.id, entry.key, entry.kind, entry.document, currency,
           jsonb_object_agg(account, amount) AS amounts
    FROM metering_journalentry entry JOIN (
        SELECT entry_id, currency, account, sum(amount)::bigint AS amount FROM metering_journalposting GROUP BY 1, 2, 3
    ) AS posting ON posting.entry_id = entry.id
    WHERE entry.kind IN ({", ".join(f"'{kind}'" for kind in OF_DOCUMENTS)}) GROUP BY entry.id, currency
)
SELECT coalesce(document.kind, posted.kind), coalesce(document.document, posted.document),
       coalesce(document.currency, posted.currency), document.amount,
       CASE WHEN posted.id IS NULL THEN NULL ELSE (
           SELECT coalesce(sum((posted.amounts ->> account)::bigint), 0) FROM unnest(document.accounts) AS shown (account)
       )::bigint END
FROM document FULL JOIN posted ON posted.key = document.kind || ':' || document.document
WHERE NOT (document.document IS NULL AND posted.kind = 'refund_made' AND EXISTS (
    SELECT FROM metering_refund WHERE public_id = posted.document AND status = 'failed'))
ORDER BY 2, 1
"""  # noqa: S608  # constants

# What is due on an invoice that is expected to be paid, and what is left of a credit, beside the balances of their parts.
PARTS = """
WITH left_over AS (
    SELECT workspace_id, 'receivable' AS account, public_id AS part, currency, amount_due AS amount
    FROM metering_invoice WHERE status = 'open'
    UNION ALL
    SELECT given.workspace_id, CASE given.kind WHEN 'purchased' THEN 'credit_bought' ELSE 'credit_' || given.kind END,
           given.public_id, given.currency, -sum(entry.amount)
    FROM metering_creditgrant given JOIN metering_creditentry entry ON entry.grant_id = given.id GROUP BY given.id
), kept AS (
    SELECT workspace_id, account, part, currency, balance FROM metering_journalbalance
    WHERE part <> '' AND account IN ('receivable', 'credit_bought', 'credit_promotional', 'credit_goodwill')
)
SELECT account, part, currency, coalesce(amount, 0), coalesce(balance, 0)
FROM left_over FULL JOIN kept USING (workspace_id, account, part, currency) ORDER BY 1, 2
"""
# More went out for a payment, or is on its way, than came in. A refund that was not made yet will be refused where the bank or
# another refund took the money meanwhile.
OVERDRAWN = """
SELECT part, moved.currency, sum(moved.amount)::bigint FROM (
    SELECT part, currency, balance AS amount FROM metering_journalbalance
    WHERE account IN ('money_stripe', 'money_bank', 'refunds_in_progress')
    UNION ALL
    SELECT posting.part, posting.currency, -posting.amount FROM metering_refund refund
    JOIN metering_journalentry entry ON entry.key = 'refund_begun:' || refund.public_id
    JOIN metering_journalposting posting ON posting.entry_id = entry.id AND account = 'refunds_in_progress'
    WHERE refund.status = 'started' AND refund.stripe_id IS NULL
) AS moved JOIN metering_payment payment ON payment.public_id = part
GROUP BY 1, 2 HAVING sum(moved.amount) < 0 ORDER BY 1
"""


def journal_differences() -> Iterator[dict[str, Any]]:
    """As `everything`: one object for each contradiction, of all months: what is left of an account has no month."""
    unbalanced, documents, parts, overdrawn = fetch_together([UNBALANCED, UNLIKE_DOCUMENTS, PARTS, OVERDRAWN], {})
    for entry, key, currency, rest, postings in unbalanced:
        found = f"{currency_text(rest, currency)} {currency}" if postings else "no amounts"
        yield {"check": "entries_add_up_to_nothing", "entry_id": entry, "key": key, "expected": "0", "found": found}
    for workspace, account, part, currency, posted, kept in unlike_their_postings():
        yield {
            "check": "balances_are_what_was_posted",
            "workspace_id": workspace,
            "account": account,
            "part": part,
            "expected": f"{currency_text(posted, currency)} {currency}",
            "found": f"{currency_text(kept, currency)} {currency}",
        }
    yield from _unlike_documents(documents)
    for account, part, currency, expected, kept in parts:
        if expected != from_smallest_unit(kept, currency):
            amounts = {"expected": cents_text(expected), "found": currency_text(kept, currency)}
            yield {"check": "accounts_are_what_documents_leave", "account": account, "part": part, **amounts}
    for month, expected, found in changed_since_locked():
        yield {"check": "locked_months_stay_as_they_are", "month": month, "expected": expected, "found": found}
    for payment, currency, left in overdrawn:
        text = f"{currency_text(left, currency)} {currency}"
        yield {"check": "no_more_goes_out_than_came_in", "payment_id": payment, "expected": "at least 0", "found": text}


def _unlike_documents(rows: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    for kind, document, currency, expected, posted in rows:
        units = None if posted is None else from_smallest_unit(posted, currency)
        if (expected or 0) != (units or 0) or expected is None:
            yield {
                "check": "documents_are_in_the_journal",
                "document": document,
                "kind": kind,
                "expected": "no entry" if expected is None else cents_text(expected),
                "found": "no entry" if units is None else "an entry" if expected is None else cents_text(units),
            }
