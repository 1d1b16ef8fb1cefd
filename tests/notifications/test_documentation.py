"""docs/webhooks.md: its types are the list, its schedule the code's, and its receiver receives."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from metering.notifications.delivery.retries import PAUSES
from metering.notifications.endpoints.change import replay_delivery
from metering.notifications.types import NOTIFICATION_TYPES
from tests.notifications.cast import a_hook, send, tell, the_delivery
from workspaces.models import Workspace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"


def test_the_page_lists_every_type_with_its_sentence() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == NOTIFICATION_TYPES


def test_the_page_has_the_pauses_of_the_code() -> None:
    assert "after 5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in PAGE.read_text()
    assert [pause.total_seconds() for pause in PAUSES[:3]] == [5, 300, 1800]
    assert [pause.total_seconds() / 3600 for pause in PAUSES[3:]] == [2, 5, 10, 14, 20, 24]


@pytest.mark.usefixtures("_private_addresses")
def test_the_receiver_of_the_page_receives_once_and_refuses_what_is_forged(acme: Workspace, tmp_path: Path) -> None:
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "receiver.py").write_text(source)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hook = a_hook(acme, f"http://127.0.0.1:{port}/hooks")
    surroundings = os.environ | {"WEBHOOK_SECRET": hook.secret, "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "receiver.py"],
        cwd=tmp_path,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as receiver:
        try:
            until_it_listens(port)
            now = timezone.now()
            tell(acme, now=now)
            assert send(now) == {"delivered": 1, "failed": 0}
            replay_delivery(the_delivery(), actor="ada@acme.example", now=now)
            assert send(now) == {"delivered": 1, "failed": 0}
            assert status_of_forged(f"http://127.0.0.1:{port}/hooks", the_delivery()) == 400
        finally:
            receiver.kill()
        assert receiver.stdout is not None
        assert receiver.stdout.read() == "invoice.paid inv_1\n"


def until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def status_of_forged(url: str, delivery: Any) -> int:
    headers = delivery.attempts.last().request_headers
    forged = urllib.request.Request(url, b'{"type":"invoice.paid","data":{"id":"inv_2"}}', headers)
    try:
        with urllib.request.urlopen(forged, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
