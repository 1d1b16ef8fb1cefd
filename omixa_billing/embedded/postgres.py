"""When the embedded PostgreSQL runs, and who may stop it.

Everyone who uses the server shares the lock `run/postgres.users`; starting and stopping happens under the lock
`run/postgres.change`, one at a time. A server started for a command is stopped by the last process that uses it; the launcher
under `make run` (`python -m omixa_billing.embedded.postgres`) is a user like the others, only one that stays, so it
adopts a server that a command has started, and a command never stops one that the launcher holds.
"""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from . import locks, processes
from .account import NoAccount
from .cluster import PORT, START_SECONDS, CannotStart, Cluster
from .deathsig import follow_supervisor
from .home import home_folder, home_path, make_directory, run_directory
from .roles import NAME, USER
from .sockets import UnsafeFolder

CANNOT_START = 78  # EX_CONFIG: the supervisor shows the message instead of trying for ever


def database_settings() -> dict[str, Any]:
    """Django's `DATABASES["default"]` for this home. Starts nothing."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": NAME,
        "USER": USER,
        "HOST": str(Cluster(home_path()).sockets),
        "PORT": str(PORT),
    }


@contextmanager
def ensure_running(base: Path | None = None, bound: bool = False) -> Iterator[Cluster]:
    """The home's server, for as long as the block lasts: the running one, or one started for it.

    Leaving last stops it. A `bound` server also ends when this process is killed. Raises CannotStart, NoAccount.
    """
    cluster = Cluster(make_directory(base) if base else home_folder())
    run = run_directory(cluster.home)
    with locks.shared(run / "postgres.users") as users:
        try:
            join_server(cluster, bound)
            yield cluster
        finally:
            leave(cluster, users)


def join_server(cluster: Cluster, bound: bool = False) -> int:
    """The id of the server that answers now. The caller holds the users' lock."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with locks.exclusive(run_directory(cluster.home) / "postgres.change"):
            pid = cluster.postmaster()
            if pid is None:
                return cluster.start(bound).pid
        if cluster.answers():
            return pid
        time.sleep(0.05)  # recovering, or on its way out
    raise CannotStart(f"PostgreSQL (process {pid}) runs but does not answer. See {cluster.log}.")


def leave(cluster: Cluster, users: int) -> None:
    """Stop the server unless another process uses it."""
    with locks.exclusive(run_directory(cluster.home) / "postgres.change"):
        if locks.try_exclusive(users) and (pid := cluster.postmaster()):
            cluster.stop(pid)


class StopRequested(Exception):
    """The supervisor wants the server stopped."""


def serve() -> None:
    """Keep the server up until asked to stop, or until it dies, which the supervisor answers by calling again."""
    cluster = Cluster(home_folder())
    with locks.shared(run_directory() / "postgres.users"):
        try:
            pid = join_server(cluster, bound=True)
            while processes.is_alive(pid):
                time.sleep(0.2)
        except StopRequested:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if running := cluster.postmaster():
                cluster.stop(running)
            return
    sys.exit(f"PostgreSQL (process {pid}) ended by itself.")


def main() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise StopRequested

    follow_supervisor()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        serve()
    except (CannotStart, NoAccount, UnsafeFolder) as error:
        print(error, file=sys.stderr, flush=True)
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
