"""What several tests look at, made once: in a transaction around theirs, each of which is rolled back within it.

For fixtures of a package. What they make is there for the tests of this package, and gone before those of the next.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import time_machine
from django.db import transaction
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from tests import isolation
from tests.kit.commits import done_on_commit
from tests.kit.factories import NOW

CHEAP_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@contextmanager
def lasting(blocker: DjangoDbBlocker) -> Iterator[None]:
    """As long as the block: what is written outside tests stays, in no other connection's sight."""
    with blocker.unblock():
        block = transaction.atomic()
        block._from_testcase = True  # type: ignore[attr-defined]
        block.__enter__()
    try:
        yield
    finally:
        with blocker.unblock():
            transaction.set_rollback(True)
            block.__exit__(None, None, None)


@contextmanager
def making(blocker: DjangoDbBlocker) -> Iterator[None]:
    """What is around each test, for as long as the block makes the lasting things: the fixed day, and work on commit."""
    isolation.forget()
    with (
        blocker.unblock(),
        time_machine.travel(NOW, tick=False),
        override_settings(PASSWORD_HASHERS=CHEAP_HASHERS),
        done_on_commit(),
    ):
        yield
    isolation.forget()
