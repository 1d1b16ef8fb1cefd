"""Every advisory lock of PostgreSQL that is taken: its number, what it is for, and how it is taken.

Functions in the database take some as well. Migrations import no code, so they spell the number again;
`tests/project/test_advisory_locks.py` compares both. In which order locks are taken is in docs/architecture.md.
"""

from collections.abc import Iterable
from enum import IntEnum, unique

from django.db import connection


@unique
class AdvisoryLock(IntEnum):
    """Locks of one number of 64 bits."""

    PRICES = 7_239_001  # shared while events are rated, alone while a price is set
    CORRECTIONS = 7_239_002  # alone while corrections are decided
    LIMITS = 7_239_003  # shared while requests are decided and holds settled, alone while a workspace gets its first limit
    JOURNAL = 7_239_004  # shared by each posting, alone while a month is locked
    ACCESS_CHANGES = 7_239_005  # alone while a change of access is written at the commit, so that their ids follow commits
    DEMO = 7_239_006  # alone while the demo workspace is made
    PREPARATION = 7_239_007  # of a session: alone while a process migrates and prepares the database


@unique
class LockClass(IntEnum):
    """Locks of two numbers of 32 bits, which PostgreSQL keeps apart from those of one: this class, and which of its locks."""

    SETTLED_USAGE = 7_239_020  # of a workspace, by its id
    ADDRESS = 7_239_021  # of people and of invitations, by its hash
    IDEMPOTENCY_KEY = 7_239_022  # of an operator's program, by its hash


# Locks whose number is `hashtext` of the function in the database that takes them: who makes a partition makes it alone.
OF_FUNCTIONS = ("metering_ensure_day", "metering_ensure_month")


def lock(purpose: AdvisoryLock) -> None:
    """Waits until nobody else holds it, shared or alone; kept alone until the transaction ends."""
    _run("SELECT pg_advisory_xact_lock(%s)", purpose.value)


def share(purpose: AdvisoryLock) -> None:
    """Waits until nobody holds it alone; shared until the transaction ends."""
    _run("SELECT pg_advisory_xact_lock_shared(%s)", purpose.value)


def lock_text(purpose: LockClass, text: str) -> None:
    """`lock` of one text. Two texts of the same hash wait for each other, which does no harm."""
    _run("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", purpose.value, text)


def share_each(purpose: LockClass, numbers: Iterable[int]) -> None:
    """`share` of several, in the order of their numbers."""
    _run("SELECT pg_advisory_xact_lock_shared(%s, number) FROM unnest(%s::int[]) AS number", purpose.value, sorted(numbers))


def try_lock_number(purpose: LockClass, number: int) -> bool:
    """`lock` without waiting: whether nobody else holds it."""
    return _run("SELECT pg_try_advisory_xact_lock(%s, %s)", purpose.value, number)


def try_lock_for_session(purpose: AdvisoryLock) -> bool:
    """Whether nobody else holds it; kept until `unlock_for_session`, or until the connection ends."""
    return _run("SELECT pg_try_advisory_lock(%s)", purpose.value)


def unlock_for_session(purpose: AdvisoryLock) -> None:
    _run("SELECT pg_advisory_unlock(%s)", purpose.value)


def _run(statement: str, *parameters: int | str | list[int]) -> bool:
    """Whether the database answered that it is so; a statement that waits answers nothing."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return bool(cursor.fetchall() == [(True,)])
