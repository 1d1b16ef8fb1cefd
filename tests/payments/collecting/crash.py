"""A process that dies where it should, and stays dead: as kill -9 does, between any two things that it does for good.

What it does for good are its calls to Stripe, before and after each of which it may die, and its commits, after each of which.
A fault-free run of a story counts them; then the story is repeated for each of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from metering.payments.stripe.client import StripeEdge

WRITES = ("INSERT", "UPDATE", "DELETE")
# What ends a transaction is not the process's doing.
UNDOING = ("ROLLBACK", "RELEASE", "SAVEPOINT")


class Died(BaseException):
    """Nothing catches it."""


@dataclass
class Process:
    """Counts what it did for good, and dies at one such point: `at` is the kind and its number from 1."""

    at: tuple[str, int] = ("", 0)
    calls: int = 0
    commits: int = 0
    died: bool = False
    _works: bool = False
    _dead: bool = False
    _wrote: bool = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """It is started, and does something; what else a story does is not its doing."""
        self._works, self._dead, self._wrote = True, False, False
        try:
            yield
        finally:
            self._works = False

    def call(self, asked: Any, edge: StripeEdge, call: Any) -> Any:
        self.calls += 1
        self.may_die("before a call", self.calls)
        try:
            return asked(edge, call)
        finally:
            self.may_die("after a call", self.calls)

    def execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        command = sql.lstrip().upper()
        if self._works and self._dead and not command.startswith(UNDOING):
            raise Died
        done = execute(sql, params, many, context)
        if self._works and command.startswith(WRITES):
            self._wrote = True
            if not inside_transaction():
                self.commit()
        return done

    def commit(self) -> None:
        self._wrote = False
        self.commits += 1
        self.may_die("after a commit", self.commits)

    def may_die(self, kind: str, number: int) -> None:
        if self._dead:
            raise Died
        if self.at == (kind, number):
            self._dead = self.died = True
            raise Died

    @contextmanager
    def running(self, monkeypatch: Any) -> Iterator[None]:
        asked, leave = StripeEdge._ask, transaction.Atomic.__exit__

        def ask(edge: StripeEdge, call: Any) -> Any:
            return self.call(asked, edge, call)

        def left(block: transaction.Atomic, kind: Any, *rest: Any) -> None:
            leave(block, kind, *rest)
            if kind is None and self._wrote and not inside_transaction():
                self.commit()

        with monkeypatch.context() as patched, connection.execute_wrapper(self.execute):
            patched.setattr(StripeEdge, "_ask", ask)
            patched.setattr(transaction.Atomic, "__exit__", left)
            yield


def inside_transaction() -> bool:
    """One of the product's: the test's own are none."""
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


@contextmanager
def undone() -> Iterator[None]:
    """What is written within is taken back; the product does not take it for a transaction of its own."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]
    with ExitStack() as stack:
        stack.enter_context(block)
        yield
        transaction.set_rollback(True)
