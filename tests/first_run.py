"""What a newcomer does, timed: clone, `make run`, one batch in, read back, Ctrl-C, and once more with the data there.

`python -m tests.first_run` prints one JSON line and exits non-zero with one sentence when anything is not as promised.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
SECONDS_FOR_INSTALLING = 900
SECONDS_FOR_STARTING = 180  # a bound: two cores may be busy with other things
SECONDS_FOR_STOPPING = 60
EVENTS = 3


class Instance:
    """A clone of the committed state, and `make run` in it."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.output = folder / "output"
        self.port = free_port()
        mine = {"OMIXA_HOME": str(self.clone / ".omixa"), "PORT": str(self.port), "HOST": "127.0.0.1"}
        replaced = ("DATABASE_URL", "CELERY_BROKER_URL", "VIRTUAL_ENV", "MAKELEVEL", "MAKEFLAGS", "OMIXA_ENV")
        self.environment = {name: value for name, value in os.environ.items() if name not in replaced} | mine
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(self.clone)], check=True)

    def start(self) -> None:
        self.started = time.monotonic()
        with self.output.open("ab") as output:
            self.make = subprocess.Popen(
                ["make", "run"],
                cwd=self.clone,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ctrl-C, as a terminal sends it: to the whole group."""
        os.killpg(self.make.pid, signal.SIGINT)
        self.make.wait(SECONDS_FOR_STOPPING)
        wait_until(lambda: not self.processes(), 5, lambda: f"These processes outlived Ctrl-C: {self.processes()}")

    def processes(self) -> list[str]:
        """Whatever works in the clone or was started from it."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                folder = os.readlink(entry / "cwd")
            except OSError:
                continue
            if str(self.clone) in command or folder.startswith(str(self.clone)):
                found.append(f"{entry.name} {command}")
        return found

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        for _ in range(50):
            left = self.processes()
            if not left:
                return
            for process in left:
                subprocess.run(["kill", "-9", process.split()[0]], check=False, stderr=subprocess.DEVNULL)
            time.sleep(0.1)

    def web_log(self) -> str:
        path = self.clone / ".omixa/log/web.log"
        return "\n".join(path.read_text().splitlines()[-40:]) if path.exists() else ""

    def manage(self, *arguments: str) -> dict[str, Any]:
        command = [str(self.clone / ".venv/bin/python"), "manage.py", *arguments]
        done = subprocess.run(command, cwd=self.clone, env=self.environment, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            sys.exit(f"manage.py {' '.join(arguments)} failed: {done.stderr}")
        return dict(json.loads(done.stdout))

    def call(self, path: str, token: str = "", body: Any = None) -> dict[str, Any]:
        """The JSON answer. Raises OSError when there is none or it is a refusal."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))

    def wait_for_web(self) -> float:
        """Seconds from `make run` to the first answer."""
        return self._wait_for(lambda: succeeds(lambda: self.call("/healthz")), SECONDS_FOR_STARTING, "the first answer")

    def wait_for_installation(self) -> float:
        """Seconds from `make run` until the packages are there, downloads included."""
        stamp = self.clone / ".venv/.installed-requirements.lock"
        return self._wait_for(stamp.exists, SECONDS_FOR_INSTALLING, "the installation")

    def _wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        def happened() -> bool:
            if self.make.poll() is not None:
                sys.exit(f"make run ended by itself:\n{self.output.read_text()}")
            return condition()

        wait_until(happened, seconds, lambda: f"{what} did not come in {seconds} s:\n{self.output.read_text()}")
        return time.monotonic() - self.started


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="omixa-first-run-")).resolve()
    instance = Instance(folder)
    try:
        print(json.dumps({"name": "first_run", **story(instance)}))
    except OSError as error:
        detail = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
        sys.exit(f"{error} {detail}\n{instance.output.read_text()}\n{instance.web_log()}")
    finally:
        instance.end()
        shutil.rmtree(folder, ignore_errors=True)


def story(instance: Instance) -> dict[str, Any]:
    figures: dict[str, float] = {}
    instance.start()
    figures["installed_s"] = instance.wait_for_installation()
    figures["first_answer_s"] = instance.wait_for_web()
    workspace = instance.manage("create_workspace", "First run")
    gateway = instance.manage("create_gateway", "First run")
    send(instance, gateway["token"], workspace["live_key_id"], "cold")
    figures["first_202_s"] = time.monotonic() - instance.started
    expect_usage(instance, workspace["admin_key"], EVENTS)
    figures["read_back_s"] = time.monotonic() - instance.started
    stopping = time.monotonic()
    instance.stop()
    figures["stop_s"] = time.monotonic() - stopping

    instance.start()
    figures["warm_first_answer_s"] = instance.wait_for_web()
    send(instance, gateway["token"], workspace["live_key_id"], "warm")
    figures["warm_first_202_s"] = time.monotonic() - instance.started
    expect_usage(instance, workspace["admin_key"], 2 * EVENTS)
    instance.stop()
    return {name: round(value, 2) for name, value in figures.items()}


def send(instance: Instance, token: str, key_id: str, batch: str) -> None:
    """One batch through the gateway's endpoint, and wait until every event of it is recorded."""
    events = [
        {
            "request_id": f"first-run-{batch}-{number}",
            "key_id": key_id,
            "model": "codex-mini",
            "occurred_at": datetime.now(UTC).isoformat(),
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        }
        for number in range(EVENTS)
    ]
    answer = instance.call("/gateway/v1/events", token, {"events": events})
    if answer["accepted"] != EVENTS:
        sys.exit(f"The gateway's endpoint did not accept every event: {answer}")
    address = f"/gateway/v1/batches/{answer['batch_id']}"
    wait_until(
        lambda: instance.call(address, token)["status"] == "processed",
        30,
        lambda: f"The batch was not processed in 30 s: {instance.call(address, token)}\n{instance.output.read_text()}",
    )
    counts = instance.call(address, token)["counts"]
    if counts["recorded"] != EVENTS or sum(counts.values()) != EVENTS:
        sys.exit(f"Not every event was recorded: {counts}")


def expect_usage(instance: Instance, admin_key: str, requests: int) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = (f"{day:%Y-%m-%dT00:00:00Z}" for day in (today - timedelta(days=1), today + timedelta(days=1)))
    total = instance.call(f"/api/v1/usage?start={start}&end={end}&bucket=none", admin_key)["total"]
    found = total["requests"], total["input_tokens"], total["output_tokens"], total["unpriced_requests"]
    if found != (requests, 1000 * requests, 100 * requests, 0) or not Decimal(total["cost"]) > 0:
        sys.exit(f"The usage read back is not what was sent: {total}")


def wait_until(condition: Callable[[], bool], seconds: float, message: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(message())
        time.sleep(0.02)


def succeeds(call: Callable[[], Any]) -> bool:
    try:
        call()
    except (OSError, ValueError):
        return False
    return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
