"""The product as a scenario meets it: HTTP over a real socket, commands, and a Celery worker in processes of its own."""

import gzip
import http.client
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from omixa_billing.embedded.deathsig import die_with_parent

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS_TO_WAIT = 60


class Caller:
    """One credential; a connection per request, so that the server's threads hold none of the database's afterwards."""

    def __init__(self, url: str, credential: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self.headers = {"Authorization": f"Bearer {credential}"}

    def get(self, path: str, **query: Any) -> Any:
        return json.loads(self.text(path, **query))

    def text(self, path: str, **query: Any) -> str:
        self.connection.request("GET", f"{quote(path)}?{urlencode(query, doseq=True)}", headers=self.headers)
        return self._answer(200).decode()

    def post_events(self, events: list[dict[str, Any]], compressed: bool) -> Any:
        body = json.dumps({"events": events}).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        if compressed:
            body, headers = gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}
        self.connection.request("POST", "/gateway/v1/events", body, headers)
        return json.loads(self._answer(202))

    def _answer(self, status: int) -> bytes:
        response = self.connection.getresponse()
        body = response.read()
        self.connection.close()
        assert response.status == status, body[:1000]
        return body


def command(*words: str) -> Any:
    """What a management command prints."""
    output = io.StringIO()
    call_command(*words, stdout=output)
    return json.loads(output.getvalue())


@contextmanager
def celery_worker(log: Path) -> Iterator[None]:
    """A worker with two processes, on the tests' own database and broker."""
    database = connection.settings_dict
    query = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"]}
    if database["PASSWORD"]:
        query["password"] = database["PASSWORD"]
    environment = os.environ | {
        "DATABASE_URL": f"postgres:///{database['NAME']}?{urlencode({name: text for name, text in query.items() if text})}",
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        "LOG_LEVEL": "WARNING",
    }
    words = ["celery", "--app", "omixa_billing.supervision.worker", "worker", "--concurrency", "2", "-O", "fair"]
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=REPOSITORY,
            env=environment,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )
    try:
        yield
        assert worker.poll() is None, log.read_text()
    finally:
        worker.terminate()
        worker.wait(30)


def wait_until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
