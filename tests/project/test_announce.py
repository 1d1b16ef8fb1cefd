"""What the terminal says once the web server answers, and while it does not yet."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from omixa_billing.supervision import announce


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing on the terminal."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("PORT", str(server.server_port))
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_server_that_is_slow_to_start_is_announced_all_the_same(
    server: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(announce, "SECONDS", 0)
    announce.main()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        f"The web server does not answer yet at http://127.0.0.1:{server}/healthz, after 0 seconds. See web.log and pages.log."
    )
    assert said[1] == "Omixa billing runs:"
    assert said[2] == f"  Customer pages             http://127.0.0.1:{server}/"
    assert said[-1] == "Ctrl-C stops it; the next start finds all data again."


def test_a_server_that_answers_at_once_is_announced_alone(server: int, capsys: pytest.CaptureFixture[str]) -> None:
    announce.main()
    assert capsys.readouterr().out.startswith("Omixa billing runs:\n")
