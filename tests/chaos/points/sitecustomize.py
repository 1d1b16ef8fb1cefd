"""Python programs started with this folder in PYTHONPATH can be killed right before or right after their next commit.

A file named `web.before` (or worker, or after) in the folder OMIXA_CHAOS_POINTS orders it. The first process of that
program that is about to commit something written takes the order, by removing the file, and SIGKILLs itself there. Only tests
put this folder into PYTHONPATH: the product knows nothing of it.
"""

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

WROTE = b"SELECT pg_current_xact_id_if_assigned() IS NOT NULL"


def program() -> str | None:
    """Which of the product's programs this process is; a forked or spawned one is asked for its parent's name."""
    words = " ".join(sys.orig_argv)
    if "multiprocessing" in words:
        words = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode(errors="replace")
    if "celery" in words and "worker" in words.replace("supervision.worker", ""):
        return "worker"
    if "supervision.gateways" in words:
        return "gateways"
    return "web" if "supervision.web:" in words else None


def install(orders: Path, name: str) -> None:
    before, after = orders / f"{name}.before", orders / f"{name}.after"
    around_commits(before, after)
    around_single_statements(before, after)


def around_commits(before: Path, after: Path) -> None:
    from psycopg import Connection

    plain = Connection._exec_command

    def exec_command(self: Any, command: Any, *arguments: Any, **named: Any) -> Generator[Any, Any, Any]:
        if command != b"COMMIT":
            return (yield from plain(self, command, *arguments, **named))
        wrote = (before.exists() or after.exists()) and (yield from plain(self, WROTE)).get_value(0, 0) == b"t"
        if wrote:
            die_if_ordered(before)
        answer = yield from plain(self, command, *arguments, **named)
        if wrote:
            die_if_ordered(after)
        return answer

    Connection._exec_command = exec_command  # type: ignore[method-assign]


def around_single_statements(before: Path, after: Path) -> None:
    """An INSERT outside of a transaction is one of its own."""
    from psycopg import Cursor
    from psycopg.pq import TransactionStatus

    plain = Cursor.execute

    def execute(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        alone = self.connection.info.transaction_status == TransactionStatus.IDLE and self.connection.autocommit
        if not (alone and isinstance(query, str) and query.lstrip().startswith("INSERT")):
            return plain(self, query, *arguments, **named)
        die_if_ordered(before)
        answer = plain(self, query, *arguments, **named)
        die_if_ordered(after)
        return answer

    Cursor.execute = execute  # type: ignore[method-assign]


def die_if_ordered(order: Path) -> None:
    """One process only: removing a file succeeds once."""
    try:
        order.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


if (folder := os.environ.get("OMIXA_CHAOS_POINTS")) and (name := program()):
    install(Path(folder), name)
