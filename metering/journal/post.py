"""Posting: one statement for an act, and the same one for the ten thousand of a closing.

It belongs to the transaction of the act, which holds the workspace. The database adds to the balances
(migrations/_journal.py) and refuses what does not add up, what lies in a locked period, and what would leave a balance below
zero that has to be above.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, connection

from metering.errors import PeriodLocked
from metering.journal.accounts import JournalAccount
from metering.journal.entries import EntryDraft, Posting
from metering.journal.models import JournalPosting, journal_entry_id
from metering.money import from_smallest_unit, in_smallest_unit

OPEN_PERIOD = "entries_lie_in_an_open_period"  # what the trigger that refuses calls itself
POST = """
WITH locked AS (
    SELECT coalesce(max(ends_at), '-infinity') AS until FROM metering_lockedperiod
), entry AS (
    INSERT INTO metering_journalentry (public_id, workspace_id, kind, key, document, happened_at, booked_at, actor)
    SELECT public_id, workspace_id, kind, key, document,
           CASE WHEN is_news THEN greatest(happened_at, until) ELSE happened_at END, %(now)s, actor
    FROM unnest(%(ids)s::text[], %(workspaces)s::int[], %(kinds)s::text[], %(keys)s::text[], %(documents)s::text[],
                %(happened)s::timestamptz[], %(news)s::bool[], %(actors)s::text[])
         WITH ORDINALITY AS act (public_id, workspace_id, kind, key, document, happened_at, is_news, actor, place), locked
    ORDER BY place
    ON CONFLICT (key) DO NOTHING RETURNING id, key
)
INSERT INTO metering_journalposting (entry_id, workspace_id, account, part, currency, amount)
SELECT entry.id, workspace_id, account, part, currency, amount
FROM unnest(%(entries)s::text[], %(whose)s::int[], %(accounts)s::text[], %(parts)s::text[], %(currencies)s::text[],
            %(amounts)s::bigint[])
     WITH ORDINALITY AS posting (key, workspace_id, account, part, currency, amount, place) JOIN entry USING (key)
ORDER BY place
"""


def post(entry: EntryDraft, now: datetime) -> None:
    """`post_many` of one."""
    post_many([entry], now)


def post_many(entries: Sequence[EntryDraft], now: datetime) -> None:
    """Posts what was not posted before, in this order; an act that moves nothing leaves no entry.

    Raises PeriodLocked, and the database's IntegrityError where an entry does not add up or a balance would be overdrawn.
    """
    moving = [(entry, postings) for entry in entries if (postings := _that_move(entry.postings))]
    if not moving:
        return
    acts = [entry for entry, _ in moving]
    if len({entry.posted_once_as for entry in acts}) < len(acts):
        raise ValueError("Two of these entries would be posted under one key.")
    parts = [(entry, posting) for entry, postings in moving for posting in postings]
    try:
        with connection.cursor() as cursor:
            cursor.execute(POST, {"now": now, **_columns_of_entries(acts), **_columns_of_postings(parts)})
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) == OPEN_PERIOD:
            raise PeriodLocked("The books of that month are locked: choose a later day.") from error
        raise


def posted_under(key: str) -> list[Posting]:
    """What the entry of this key debits and credits; empty where there is none."""
    return [
        Posting(JournalAccount(each.account), from_smallest_unit(each.amount, each.currency), each.part, each.workspace_id)
        for each in JournalPosting.objects.filter(entry__key=key).order_by("pk")
    ]


def _that_move(postings: Sequence[Posting]) -> list[Posting]:
    return [each for each in postings if each.amount]


def _columns_of_entries(acts: Sequence[EntryDraft]) -> dict[str, list[object]]:
    return {
        "ids": [journal_entry_id() for _ in acts],
        "workspaces": [each.workspace_id for each in acts],
        "kinds": [each.kind.value for each in acts],
        "keys": [each.posted_once_as for each in acts],
        "documents": [each.document for each in acts],
        "happened": [each.happened_at for each in acts],
        "news": [each.is_news for each in acts],
        "actors": [each.actor[:300] for each in acts],
    }


def _columns_of_postings(parts: Sequence[tuple[EntryDraft, Posting]]) -> dict[str, list[object]]:
    return {
        "entries": [entry.posted_once_as for entry, _ in parts],
        "whose": [posting.workspace_id or entry.workspace_id for entry, posting in parts],
        "accounts": [posting.account.value for _, posting in parts],
        "parts": [posting.part for _, posting in parts],
        "currencies": [entry.currency for entry, _ in parts],
        "amounts": [in_smallest_unit(posting.amount, entry.currency) for entry, posting in parts],
    }
