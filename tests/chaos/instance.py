"""One running product whose processes are within reach: by the name of their program, and at the point of their commits."""

import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from omixa_billing.embedded.cluster import Cluster
from omixa_billing.embedded.deathsig import die_with_parent
from tests.benchmarks.product import OURS, stop
from tests.first_run import REPOSITORY, free_port
from tests.kit.prepared import put_postgres_into

POINTS = Path(__file__).parent / "points"
SECONDS_TO_START = 300
SECONDS_TO_APPEAR = 30
SECONDS_PER_ANSWER = 20
# What tells a program of the supervisor's from the others, in its command line.
MARKS = {
    "worker": ("celery", "worker"),
    "gateways": ("supervision.gateways",),
    "beat": ("celery", "beat"),
    "web": ("granian", "supervision.web:"),
    "pages": ("granian", "supervision.pages:"),
    "postgres": ("omixa_billing.embedded.postgres",),
    "redis": ("valkey-server", "redis.sock"),
}


@dataclass(frozen=True)
class Instance:
    """What a test may do to a running product."""

    home: Path
    port: int
    environment: dict[str, str]
    supervisor: subprocess.Popen
    orders: Path

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.home)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS_PER_ANSWER)

    def wait_for_first_answer(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and self.supervisor.poll() is None:
            with suppress(OSError):
                for half in ("/readyz", "/accounts/login/"):  # what answers gateways, and the pages
                    urllib.request.urlopen(f"http://127.0.0.1:{self.port}{half}", timeout=5).close()
                return
            time.sleep(0.05)
        raise TimeoutError(f"No answer: {(self.home / 'terminal').read_text()}")

    def program(self, name: str) -> int:
        """The process id of a supervised program; waits for it while the supervisor starts it again."""
        deadline = time.monotonic() + SECONDS_TO_APPEAR
        while time.monotonic() < deadline:
            for pid in children(self.supervisor.pid):
                if all(any(mark in word for word in words(pid)) for mark in MARKS[name]):
                    return pid
            time.sleep(0.05)
        raise TimeoutError(f"{name} was not started again within {SECONDS_TO_APPEAR} s")

    def children_of(self, name: str) -> list[int]:
        """The processes that a program has forked; waits until there is one."""
        deadline = time.monotonic() + SECONDS_TO_APPEAR
        while time.monotonic() < deadline:
            if forked := [pid for pid in children(self.program(name)) if "resource_tracker" not in " ".join(words(pid))]:
                return forked
            time.sleep(0.05)
        raise TimeoutError(f"{name} has no processes {SECONDS_TO_APPEAR} s after its start")

    def postmaster(self) -> int:
        deadline = time.monotonic() + SECONDS_TO_APPEAR
        while time.monotonic() < deadline:
            if pid := self.cluster.postmaster():
                return pid
            time.sleep(0.05)
        raise TimeoutError(f"PostgreSQL was not started again within {SECONDS_TO_APPEAR} s")

    def backend(self, dice: random.Random) -> int:
        """A PostgreSQL process that serves a person, or the postmaster while none does."""
        title = f"postgres: {self.cluster.title}: omixa omixa"
        serving = [pid for pid in children(self.postmaster()) if words(pid)[:1] and words(pid)[0].startswith(title)]
        return dice.choice(serving or [self.postmaster()])

    def order_death(self, program: str, moment: str) -> Path:
        """Have a process of `web` or `worker` die `before` or `after` its next commit. The file is gone once it has."""
        order = self.orders / f"{program}.{moment}"
        order.touch()
        return order

    def kill(self, name: str) -> None:
        """A program with its processes."""
        signal_all([self.program(name), *self.children_of(name)], signal.SIGKILL)

    @contextmanager
    def unsupervised(self) -> Iterator[None]:
        """What dies in the block stays dead until its end."""
        os.kill(self.supervisor.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.supervisor.pid, signal.SIGCONT)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A program and its processes stand still for the block, as on a machine that has stalled."""
        pids = [self.program(name), *(self.children_of(name) if name == "worker" else [])]
        signal_all(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            signal_all(pids, signal.SIGCONT)

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """PostgreSQL is killed, and what would start it again stands still until the block's end."""
        launcher = self.program("postgres")
        os.kill(launcher, signal.SIGSTOP)
        try:
            os.kill(self.postmaster(), signal.SIGKILL)
            yield
        finally:
            os.kill(launcher, signal.SIGCONT)

    def programs(self) -> dict[str, int]:
        """What works for customers and gateways, by its process id."""
        return {name: self.program(name) for name in ("web", "pages", "worker", "gateways", "beat")}

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows, from a server that may be coming up again."""
        deadline = time.monotonic() + SECONDS_TO_APPEAR
        while True:
            try:
                with self.cluster.connect() as connection:
                    return connection.execute(statement, parameters).fetchall()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def manage(self, *arguments: str) -> Any:
        """The JSON that a management command prints, also when it refuses."""
        return self.python("manage.py", *arguments)

    def python(self, *arguments: str) -> Any:
        """The JSON that a Python program prints, run in this instance's environment, but not to be killed."""
        environment = self.environment | {"OMIXA_CHAOS_POINTS": ""}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, timeout=300, check=False)
        return json.loads(done.stdout)

    def errors(self) -> str:
        """What the programs themselves held for a bug, for those who look into a failure: a database away is none."""
        found = []
        for log in sorted((self.home / "log").glob("*.log")):
            for line in log.read_text(errors="replace").splitlines():
                if '"exception"' in line and "OperationalError" not in line and "WorkerLost" not in line:
                    found.append(f"{log.name}: {json.loads(line)['exception'][-1500:]}")
        return "\n\n".join(found[-5:])


@contextmanager
def running_instance(home: Path | None = None, **settings: str) -> Iterator[Instance]:
    """Started, answering and, afterwards, gone. A home that is given stays; otherwise it is a temporary one."""
    folder = home or new_home()
    port = free_port()
    orders = folder / "orders"
    orders.mkdir()
    if not (folder / "postgres").exists():
        put_postgres_into(folder)
    (folder / "started_before").touch()  # so that it makes no demo workspace
    mine = {"OMIXA_HOME": str(folder), "PORT": str(port), "PYTHONPATH": str(POINTS), "OMIXA_CHAOS_POINTS": str(orders)}
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS")}
    environment = inherited | OURS | mine | settings
    with (folder / "terminal").open("wb") as terminal:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "omixa_billing.supervision"],
            cwd=REPOSITORY,
            env=environment,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    instance = Instance(folder, port, environment, supervisor, orders)
    try:
        instance.wait_for_first_answer()
        yield instance
    except AssertionError as failure:
        failure.add_note(instance.errors())
        raise
    finally:
        stop_at_once(instance)
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)


def stop_at_once(instance: Instance) -> None:
    """What holds no data is killed rather than asked: nothing more depends on how it ends."""
    supervisor = instance.supervisor
    if supervisor.poll() is None:
        with instance.unsupervised():
            programs = [pid for pid in children(supervisor.pid) if MARKS["postgres"][0] not in words(pid)]
            signal_all(programs, signal.SIGKILL)
            supervisor.send_signal(signal.SIGTERM)  # heard when it continues
    stop(supervisor)
    signal_all([pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if belongs(pid, instance)], signal.SIGKILL)


def belongs(pid: int, instance: Instance) -> bool:
    """Whether it was started for this instance: a web server whose parent is killed while it starts may stay behind."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(f"OMIXA_CHAOS_POINTS={instance.orders}") in environment


def new_home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="omixa-chaos-")).resolve()
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return folder


def children(parent: int) -> list[int]:
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and parent_of(int(pid)) == parent]


def parent_of(pid: int) -> int | None:
    """None for a process that has ended, reaped or not."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(parent)


def words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def signal_all(pids: list[int], sig: int) -> int:
    """How many of them were still there."""
    reached = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, sig)
            reached += 1
    return reached
