"""Transactions whose commit does not wait for the disk: for what is done again if a power cut takes its last milliseconds.

Such a transaction is as whole as any other. PostgreSQL writes it within a second, and before every later one that does
wait, so what is lost is always the newest, and never something on which a kept one was built.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper


@contextmanager
def asynchronous_commit() -> Iterator[CursorWrapper]:
    """A transaction, and a cursor in it. Inside of another one the other one's commit does not wait either."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        yield cursor
