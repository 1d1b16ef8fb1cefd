"""A RabbitMQ of one test's own, from Debian's package: its node, data, cookie and ports are nobody else's, all on loopback."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from omixa_billing.embedded.deathsig import die_with_parent
from tests.first_run import free_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONTROL = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
EPMD = Path("/usr/bin/epmd")
SECONDS_TO_START = 60
SECONDS_TO_STOP = 20
needs_rabbitmq = pytest.mark.skipif(
    not SERVER.exists(), reason="rabbitmq-server is not installed: run scripts/debian.sh rabbitmq-server"
)


class RabbitMQ:
    """One node that may be killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.epmd_port, self.node_port = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        folder.mkdir()
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = true\nlog.console.level = warning\nlog.file = false\n"
        )
        (folder / "enabled_plugins").write_text("[].\n")
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        self.environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "chaos@localhost",
            "RABBITMQ_DIST_PORT": str(self.node_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            # No spinning schedulers on a small machine, and nothing that listens beyond it.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        }

    @contextmanager
    def running(self) -> Iterator["RabbitMQ"]:
        epmd = self._spawn(str(EPMD), "-address", "127.0.0.1")
        try:
            self.start()
            self.wait_until_up()
            yield self
        finally:
            self.kill()
            epmd.kill()
            epmd.wait()

    def start(self) -> None:
        self.server = self._spawn(str(SERVER))

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"RabbitMQ did not start:\n{self.log()[-3000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL to everything that the node is made of: the start script and the machine that it runs."""
        with suppress(ProcessLookupError):
            os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait(SECONDS_TO_STOP)

    def control(self, *words: str) -> None:
        """`rabbitmqctl`, as an operator calls it."""
        subprocess.run([str(CONTROL), *words], env=self.environment, check=True, timeout=SECONDS_TO_START, capture_output=True)

    def log(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def _spawn(self, *command: str) -> subprocess.Popen:
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
