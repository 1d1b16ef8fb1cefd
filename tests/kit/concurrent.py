"""Several acts at the same time, each in a thread with a database connection of its own."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection, connections

T = TypeVar("T")
SECONDS_TO_WAIT = 30


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """Its result, from an event loop in a thread of its own: that of the tests has one already while they drive a browser."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in threads, each with its own connection; their results, or the exceptions they raised."""

    def run(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


WAITING_FOR_ME = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"


def wait_until_another_waits() -> None:
    """Until another transaction waits for a lock that this connection's holds."""
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while not _answer(WAITING_FOR_ME):
        assert time.monotonic() < deadline, "no transaction waits"
        time.sleep(0.01)


def _answer(question: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def all_succeed_at_once(*acts: Callable[[], Any]) -> None:
    """Runs each in a thread with a database connection of its own; raises what any of them raised."""
    raised: list[BaseException] = []

    def run(act: Callable[[], Any]) -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if raised:
        raise raised[0]


BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


def wait_until_blocking(sessions: int = 1) -> None:
    """Until so many sessions wait for locks of this one's transaction."""
    for _ in range(3000):
        with connection.cursor() as cursor:
            cursor.execute(BLOCKED)
            if cursor.fetchone()[0] >= sessions:
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")
