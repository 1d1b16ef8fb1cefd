"""A real product and a real LiteLLM in front of it, each started as a person starts them, in a home of their own."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
PYTHON = str(REPOSITORY / ".venv" / "bin" / "python")
GATEWAY_PYTHON = str(REPOSITORY / ".venv-gateway" / "bin" / "python")
SECONDS_TO_START = 300
PRIVATE = ("DATABASE_URL", "CELERY_BROKER_URL", "MAKELEVEL", "MAKEFLAGS", "OMIXA_ENV", "VIRTUAL_ENV", "GATEWAY_URL")
# USD per million tokens of every model that the tests make.
INPUT, CACHED, OUTPUT = Decimal("3"), Decimal("0.5"), Decimal("7")


@dataclass(frozen=True)
class Workspace:
    id: str
    admin_key: str
    live_key: str
    live_key_id: str


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.gateway_port = free_port(), free_port()
        self.url, self.gateway = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.gateway_port}"
        mine = {
            "OMIXA_HOME": str(folder / "home"),
            "PORT": str(self.port),
            "GATEWAY_PORT": str(self.gateway_port),
            "HOST": "127.0.0.1",
            "RATE_LIMITS": "off",
        }
        # A person who runs the tests with keys of providers must not pay for them.
        kept = {name: value for name, value in os.environ.items() if name not in PRIVATE and not name.endswith("_API_KEY")}
        self.environment = kept | mine
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    # --- the two programs ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.start_product()
        for model in ("echo-plain", "echo-other"):
            self.manage("set_price", model, f"--input={INPUT}", f"--cached-input={CACHED}", f"--output={OUTPUT}")
        self.start_gateway()

    def start_product(self) -> None:
        self._start("product", "omixa_billing.supervision")
        self.wait_for_product()

    def wait_for_product(self) -> None:
        """Both of its halves: the endpoints of gateways, and the pages, which start by themselves."""
        for path in ("/readyz", "/accounts/login/"):
            until(partial(self.answers, self.url + path), SECONDS_TO_START, self.tail("product"))

    def start_gateway(self) -> None:
        self._start("gateway", "omixa_billing.supervision.local_gateway")
        until(lambda: self.answers(f"{self.gateway}/health/liveliness"), SECONDS_TO_START, self.tail("gateway"))

    def stop(self, *names: str) -> None:
        for name in names or ("gateway", "product"):
            if (program := self.running.pop(name, None)) is not None:
                program.send_signal(signal.SIGTERM)
                program.wait(120)

    def kill(self, words: str) -> int:
        """kill -9 of every process of this world whose command line has these words; returns how many. Some end with others."""
        killed = 0
        for pid in self.processes_with(words):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        return killed

    def processes_with(self, words: str) -> list[int]:
        return [pid for pid in self.processes() if words in command_line(pid)]

    def processes(self) -> list[int]:
        """All that descend from what this world started."""
        parents: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(path.read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue  # it has ended
            parents.setdefault(parent, []).append(int(path.parent.name))
        found, look_at = [], [program.pid for program in self.running.values()]
        while look_at:
            children = parents.get(look_at.pop(), [])
            found += children
            look_at += children
        return found

    def _start(self, name: str, module: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [PYTHON, "-m", module],
                cwd=REPOSITORY,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def tail(self, name: str) -> Callable[[], str]:
        def said() -> str:
            logs = [self.folder / f"{name}.log", *sorted((self.folder / "home" / "log").glob("*.log"))]
            return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs if log.is_file())

        return said

    def answers(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except OSError:
            return False

    # --- the product, as its users see it -----------------------------------------------------------------------------

    def manage(self, *arguments: str) -> dict[str, Any]:
        command = [PYTHON, "manage.py", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def run(self, code: str) -> Any:
        """What a piece of the product's own Python prints as JSON."""
        command = [PYTHON, "manage.py", "shell", "--verbosity=0", "--command", code]
        done = subprocess.run(command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def make_workspace(self, name: str) -> Workspace:
        made = self.manage("create_workspace", name)
        return Workspace(made["workspace_id"], made["admin_key"], made["live_key"], made["live_key_id"])

    def ask(self, path: str, token: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return dict(json.load(response))

    def attempts(self, request_id: str, workspace: Workspace) -> list[dict[str, Any]]:
        """What the product has of a request, oldest attempt first; nothing while it has not arrived."""
        try:
            found = self.ask(f"/api/v1/usage/events/{request_id}", workspace.admin_key)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        return sorted(found["data"] if "data" in found else found["attempts"], key=lambda each: each["attempt"])

    def settled(self, request_id: str, workspace: Workspace, seconds: float = 30) -> dict[str, Any]:
        """The attempt that is billed, once it is there."""

        def billed() -> dict[str, Any] | None:
            found = self.attempts(request_id, workspace)
            return next((each for each in found if each["status"] != "failed"), None)

        return dict(until(billed, seconds, self.tail("gateway")))

    def gateway_token(self) -> str:
        return (self.folder / "home" / "gateway" / "token").read_text()


def cost(usage: dict[str, Any]) -> Decimal:
    """Of OpenAI's usage at the tests' prices, in USD."""
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    micros = (usage["prompt_tokens"] - cached) * INPUT + cached * CACHED + usage["completion_tokens"] * OUTPUT
    return micros / 1_000_000


def until(so: Callable[[], Any], seconds: float, why: Callable[[], str] = str) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := so()):
        assert time.monotonic() < deadline, f"it did not come to be within {seconds} seconds\n{why()}"
        time.sleep(0.05)
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
