"""The whole product under its real supervisor, in a temporary home on a free port, for as long as a benchmark lasts."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from omixa_billing.embedded.cluster import Cluster
from omixa_billing.embedded.deathsig import die_with_parent
from tests.first_run import REPOSITORY, free_port

SECONDS_TO_START = 90
SECONDS_TO_STOP = 60
# Empty rather than missing, so that `.env` does not fill them in: a benchmark never touches the user's own servers.
OURS = {"DATABASE_URL": "", "CELERY_BROKER_URL": "", "HOST": "127.0.0.1", "OMIXA_ENV": "development", "LOG_LEVEL": "WARNING"}


@dataclass(frozen=True)
class Product:
    """A running instance."""

    home: Path
    port: int
    environment: dict[str, str]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def database(self) -> psycopg.Connection:
        """A connection to the embedded server, autocommit."""
        return Cluster(self.home).connect()

    def python(self, module: str, *arguments: str) -> Any:
        """The JSON that a module of ours prints, run in this instance's environment."""
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, env=self.environment, stdout=subprocess.PIPE, timeout=120, check=True)
        return json.loads(done.stdout)


@contextmanager
def running_product() -> Iterator[Product]:
    """Started, answering and, afterwards, gone with everything it wrote."""
    folder = Path(tempfile.mkdtemp(prefix="omixa-bench-")).resolve()
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS")}
    product = Product(folder, port, inherited | OURS | {"OMIXA_HOME": str(folder), "PORT": str(port)})
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "omixa_billing.supervision"],
        cwd=REPOSITORY,
        env=product.environment,
        stdout=sys.stderr,
        stderr=sys.stderr,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        wait_for_first_answer(product, supervisor)
        yield product
    finally:
        stop(supervisor)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_first_answer(product: Product, supervisor: subprocess.Popen) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and supervisor.poll() is None:
        try:
            connection = product.connect()
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"The product did not answer within {SECONDS_TO_START} seconds.")


def stop(supervisor: subprocess.Popen) -> None:
    supervisor.send_signal(signal.SIGTERM)
    try:
        supervisor.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        os.killpg(supervisor.pid, signal.SIGKILL)
        supervisor.wait()
