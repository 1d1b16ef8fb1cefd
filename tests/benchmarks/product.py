"""The whole product under its real supervisor, in a temporary home on a free port, for as long as a benchmark lasts."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from omixa_billing.embedded.cluster import Cluster
from omixa_billing.embedded.deathsig import die_with_parent
from omixa_billing.embedded.roles import SUPERUSER
from tests.first_run import REPOSITORY, free_port

SECONDS_TO_START = 300
LOG_FILES = 64  # of 16 MB
SECONDS_TO_STOP = 60
# Empty rather than missing, so that `.env` does not fill them in: a benchmark never touches the user's own servers.
OURS = {
    "DATABASE_URL": "",
    "CELERY_BROKER_URL": "",
    "HOST": "127.0.0.1",
    "OMIXA_ENV": "development",
    "LOG_LEVEL": "WARNING",
    "RATE_LIMITS": "off",  # one caller here asks for what many do elsewhere
}


@dataclass(frozen=True)
class Product:
    """A running instance."""

    home: Path
    port: int
    environment: dict[str, str]
    supervisor: subprocess.Popen

    def database(self) -> psycopg.Connection:
        """A connection to the embedded server, autocommit, as its superuser: benchmarks order checkpoints."""
        return Cluster(self.home).connect(user=SUPERUSER)

    def python(self, module: str, *arguments: str) -> Any:
        """The JSON that a module of ours prints, run in this instance's environment."""
        (printed,) = self.python_lines(module, *arguments)
        return printed

    def python_lines(self, module: str, *arguments: str) -> Iterator[Any]:
        """The same for one that prints several, each as it comes."""
        command = [sys.executable, "-m", module, *arguments]
        with subprocess.Popen(command, cwd=REPOSITORY, env=self.environment, stdout=subprocess.PIPE) as process:
            yield from map(json.loads, process.stdout or ())
        if process.returncode != 0:
            sys.exit(f"{module} failed.")


@contextmanager
def running_product(**settings: str) -> Iterator[Product]:
    """With these settings beside its own; started, answering and, afterwards, gone with everything it wrote."""
    folder = Path(tempfile.mkdtemp(prefix="omixa-bench-")).resolve()
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS")}
    environment = inherited | OURS | settings | {"OMIXA_HOME": str(folder), "PORT": str(port)}
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "omixa_billing.supervision"],
        cwd=REPOSITORY,
        env=environment,
        stdout=sys.stderr,
        stderr=sys.stderr,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    product = Product(folder, port, environment, supervisor)
    try:
        wait_for_first_answer(product)
        yield product
    finally:
        stop(supervisor)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_first_answer(product: Product) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and product.supervisor.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{product.port}/readyz", timeout=5):
                return
        except OSError:  # not there yet, or not ready
            time.sleep(0.1)
    sys.exit(f"The product did not answer within {SECONDS_TO_START} seconds.")


def stop(supervisor: subprocess.Popen) -> None:
    supervisor.send_signal(signal.SIGTERM)
    try:
        supervisor.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        os.killpg(supervisor.pid, signal.SIGKILL)
        supervisor.wait()


def season(database: psycopg.Connection) -> None:
    """Gives a new server the write-ahead log's files that one has which has run for some hours.

    PostgreSQL fills a new file with zeros, 16 MB at once, and everybody's commit waits for that. Later it uses old ones again.
    """
    for _ in range(LOG_FILES):
        database.execute("SELECT pg_logical_emit_message(false, 'benchmark', '')")
        database.execute("SELECT pg_switch_wal()")
    database.execute("CHECKPOINT")
