"""A Redis of one test's own on a loopback port, with the users that docs/running.md describes."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from omixa_billing.embedded.deathsig import die_with_parent
from omixa_billing.embedded.redis import binary
from tests.first_run import REPOSITORY, free_port

SECONDS_TO_START = 20


def documented_rules() -> str:
    """The lines of docs/running.md that begin with `user `, one of them for the gateway gw_EXAMPLE."""
    lines = (REPOSITORY / "docs" / "running.md").read_text().splitlines()
    return "\n".join(line.strip() for line in lines if line.strip().startswith("user "))


@contextmanager
def redis_with_users(folder: Path, *gateways: str) -> Iterator[int]:
    """The port. Every user's password is the user's name."""
    rules = documented_rules()
    each = [line for line in rules.splitlines() if "gw_EXAMPLE" in line]
    others = [line for line in rules.splitlines() if "gw_EXAMPLE" not in line]
    lines = [*others, *(line.replace("gw_EXAMPLE", gateway) for line in each for gateway in gateways)]
    port = free_port()
    configuration = folder / "redis.conf"
    users = "\n".join(line.replace("PASSWORD", line.split()[1]) for line in lines)
    configuration.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\nsave ''\n{users}\n")
    with (folder / "redis.log").open("ab") as log:
        server = subprocess.Popen(
            [str(binary()), str(configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent
        )
    try:
        _wait_for(port, server, folder)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen, folder: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        with suppress(redis.ConnectionError), redis.Redis(port=port, username="omixa", password="omixa") as client:
            client.ping()
            return
        if server.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError((folder / "redis.log").read_text())
        time.sleep(0.05)
