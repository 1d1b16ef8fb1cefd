"""Callers as there are on the internet: raw sockets that send what they like, as slowly as they like, and need not read."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE = 60.0  # seconds: generous, for nothing here is decided by how fast the machine is
ESTABLISHED = "01"  # in /proc/net/tcp
SMALL = 4096  # bytes of the receive buffer of those who do not read


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool  # whether the server ended the connection after it

    @property
    def error(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["error"])


class Caller:
    """One connection."""

    def __init__(self, port: int, reads: bool = True, address: str = "") -> None:
        self.socket = socket.socket()
        if address:
            self.socket.bind((address, 0))
        if not reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_answer(self) -> Answer:
        """A whole one, by its length or up to the end of the connection."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._some()
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"])
        while len(body) < length:
            body += self._some()
        return Answer(int(first.split()[1]), headers, body, headers.get("connection") == "close")

    def read_all(self) -> bytes:
        """What comes up to the end of the connection, however that comes."""
        received = []
        with suppress(ConnectionError):
            while some := self.socket.recv(65_536):
                received.append(some)
        return b"".join(received)

    def is_ended(self) -> bool:
        """Waits until the server ends the connection, reading what comes before that."""
        try:
            while self.socket.recv(65_536):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def is_dropped(self) -> bool:
        """Waits until the server has ended the connection, of which nobody hears who does not read."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.socket.getsockname()[1] not in connected_from():
                return True
            time.sleep(0.1)
        return False

    def _some(self) -> bytes:
        received = self.socket.recv(65_536)
        if not received:
            raise ConnectionError("The server ended the connection before its answer was whole.")
        return received


def connected_from() -> set[int]:
    """The ports of those who are connected to a server of this machine, as the servers' sides have it."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(remote.partition(":")[2], 16) for _, _, remote, state, *_ in lines if state == ESTABLISHED}


def head(method: str, path: str, **headers: str) -> bytes:
    """Up to the empty line."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """One request of a caller who is in no way strange."""
    if body:
        headers["Content-Length"] = str(len(body))
    with Caller(port) as caller:
        caller.send(head(method, path, **headers) + body)
        return caller.read_answer()


@contextmanager
def many(port: int, count: int, request: Callable[[int], bytes], reads: bool = True) -> Iterator[list[Caller]]:
    """So many at once, each having sent its request, until the block ends."""
    with ExitStack() as stack:
        callers = [stack.enter_context(Caller(port, reads)) for _ in range(count)]
        for at, caller in enumerate(callers):
            caller.send(request(at))
        yield callers
