"""Inside a test's own transaction nothing is ever committed, so what the product does on commit would never be done.

Here it is done where it would be done outside: when the product's outermost transaction ends well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def done_on_commit() -> Iterator[None]:
    on_commit, leave = BaseDatabaseWrapper.on_commit, transaction.Atomic.__exit__

    def on_commit_of_product(connection: BaseDatabaseWrapper, act: Any, robust: bool = False) -> None:
        on_commit(connection, act, robust)
        _do_if_committed(connection)

    def leave_and_do(block: transaction.Atomic, kind: Any, error: Any, trace: Any) -> None:
        leave(block, kind, error, trace)
        _do_if_committed(transaction.get_connection(block.using))

    with (
        patch.object(BaseDatabaseWrapper, "on_commit", on_commit_of_product),
        patch.object(transaction.Atomic, "__exit__", leave_and_do),
    ):
        yield


def _do_if_committed(connection: BaseDatabaseWrapper) -> None:
    blocks = connection.atomic_blocks
    if not blocks or not all(block._from_testcase for block in blocks) or connection.needs_rollback:
        return
    waiting, connection.run_on_commit = connection.run_on_commit, []
    for _, act, _ in waiting:
        act()
