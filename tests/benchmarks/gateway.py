"""The gateway's side: connections that cost the machine little, so that what is measured is the product."""

import json
import socket
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.benchmarks.product import Product

BYTES_PER_READ = 65_536


class Connection:
    """One kept-open HTTP connection. Requests are made beforehand and answers read with the least that HTTP asks for."""

    def __init__(self, product: Product) -> None:
        self.socket = socket.create_connection(("127.0.0.1", product.port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, request: bytes, status: int) -> bytes:
        """The answer's body. Ends the benchmark when the status is another."""
        self.socket.sendall(request)
        head, body = self._head()
        length = int(_header(head, b"content-length"))
        while len(body) < length:
            body += self._read()
        if int(head[9:12]) != status:
            sys.exit(f"Answered {head[9:12].decode()} instead of {status}: {body[:500].decode(errors='replace')}")
        return body

    def _head(self) -> tuple[bytes, bytes]:
        """The head in lower case, and what came of the body along with it."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._read()
        head, _, body = received.partition(b"\r\n\r\n")
        return head.lower(), body

    def _read(self) -> bytes:
        received = self.socket.recv(BYTES_PER_READ)
        if not received:
            sys.exit("The web server closed a connection in the middle of an answer.")
        return received


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0]


def request(method: str, path: str, secret: str, body: bytes = b"") -> bytes:
    """A whole HTTP request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {secret}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def post_of(token: str, body: bytes) -> bytes:
    return request("POST", "/gateway/v1/events", token, body)


def post(connection: Connection, prepared: bytes) -> dict[str, Any]:
    """Sends events of which none may be refused."""
    answer: dict[str, Any] = json.loads(connection.ask(prepared, 202))
    if answer["rejected"]:
        sys.exit(f"The endpoint refused what it should take: {answer['rejected'][0]}")
    return answer


def post_all(product: Product, prepared: list[bytes], connections: int) -> None:
    """Over so many connections at once, each posting as fast as it is answered."""

    def over_one(requests: Iterable[bytes]) -> None:
        with Connection(product) as connection:
            for each in requests:
                post(connection, each)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(over_one, [prepared[at::connections] for at in range(connections)]))
