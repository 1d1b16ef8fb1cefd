"""A product on loopback that answers as a test says, for the plug-in's parts alone: no Django, no LiteLLM."""

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from omixa_litellm.form import checksum

Answer = tuple[int, Any]  # bytes are sent as they are


def in_a_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """What the coroutine returns. In a thread of its own: in this one the tests of a browser may keep a loop running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class Product:
    """What it heard, and what it answers: a status and a body by path, or a function of the body that was sent."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Answer | Callable[[dict[str, Any]], Answer]] = {}
        self.breaks_off = False  # in the middle of each answer
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def events(self) -> list[dict[str, Any]]:
        """Of all batches that it accepted."""
        return [event for path, body in self.heard if path == "/gateway/v1/events" for event in body["events"]]

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [body for heard, body in self.heard if heard == path]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        product = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    content = gzip.decompress(content)
                body = _read(content)
                answer = product.answers.get(self.path, (202, {"accepted": 0, "rejected": []}))
                status, said = answer(body) if callable(answer) else answer
                if status < 300:
                    product.heard.append((self.path, body))
                sent = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(sent) + product.breaks_off))
                self.end_headers()
                self.wfile.write(sent)
                self.close_connection = self.close_connection or product.breaks_off

            def log_message(self, *_: Any) -> None:
                """Nothing on the terminal."""

        return Handler


def _read(content: bytes) -> Any:
    """The bytes themselves where they are no JSON."""
    try:
        return json.loads(content)
    except ValueError:
        return content


@pytest.fixture
def product() -> Iterator[Product]:
    product = Product()
    yield product
    product.close()


@pytest.fixture
def secret() -> str:
    return f"omx_live_{'a' * 30}{checksum('a' * 30)}"


def until(so: Callable[[], Any], seconds: float = 20) -> Any:
    """Waits until it is so, and returns what it is."""
    deadline = time.monotonic() + seconds
    while not (found := so()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)
    return found
