"""What the terminal says once the product answers, and while it does not yet."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from omixa_billing.supervision import announce


class StartingProduct(HTTPServer):
    """Its gateways are answered at once, its pages once they have refused so many requests."""

    refusals_left = 0


class Handler(BaseHTTPRequestHandler):
    server: StartingProduct

    def do_GET(self) -> None:
        away = self.path != "/healthz" and self.server.refusals_left > 0
        self.server.refusals_left -= away
        self.send_response(503 if away else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing on the terminal."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartingProduct]:
    server = StartingProduct(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("PORT", str(server.server_port))
    yield server
    server.shutdown()
    server.server_close()


def test_a_server_that_is_slow_to_start_is_announced_all_the_same(
    server: StartingProduct, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(announce, "SECONDS", 0)
    announce.main()
    said = capsys.readouterr().out.splitlines()
    address = f"http://127.0.0.1:{server.server_port}"
    assert said[0] == f"The product does not answer yet at {address}, after 0 seconds. See web.log and pages.log."
    assert said[1] == "Omixa billing runs:"
    assert said[2] == f"  Customer pages             {address}/"
    assert said[-1] == "Ctrl-C stops it; the next start finds all data again."


def test_a_server_that_answers_at_once_is_announced_alone(server: StartingProduct, capsys: pytest.CaptureFixture[str]) -> None:
    announce.main()
    assert capsys.readouterr().out.startswith("Omixa billing runs:\n")


def test_a_product_whose_pages_are_still_starting_is_announced_once_they_answer(
    server: StartingProduct, capsys: pytest.CaptureFixture[str]
) -> None:
    server.refusals_left = 3
    announce.main()
    assert server.refusals_left == 0
    assert capsys.readouterr().out.startswith("Omixa billing runs:\n")
