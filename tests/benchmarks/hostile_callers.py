"""Callers that mean no good, each kind as many as asked for and for as long as its block lasts."""

import socket
import threading
from collections import Counter
from contextlib import suppress

SMALL = 4096  # bytes of the receive buffer of those who do not read
UNKNOWN = "omx_gateway_nonsense"
BODIES = ("/gateway/v1/events", "/gateway/v1/corrections", "/gateway/v1/events/litellm", "/accounts/login/", "/webhooks/stripe")


class Hostile:
    """Threads that end with the block. `seen` counts what became of their connections."""

    threads = 1

    def __init__(self, port: int, count: int) -> None:
        self.port, self.count = port, count
        self.seen: Counter[str] = Counter()
        self.ended = threading.Event()

    def __enter__(self) -> "Hostile":
        self.running = [threading.Thread(target=self.work, args=(at,), daemon=True) for at in range(self.threads)]
        for each in self.running:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for each in self.running:
            each.join()

    def work(self, at: int) -> None:
        raise NotImplementedError

    def connect(self) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        made.settimeout(60)
        made.connect(("127.0.0.1", self.port))
        return made


class Held(Hostile):
    """Keeps so many connections open, each with a request sent; one that has ended is opened again."""

    def request(self, at: int) -> bytes:
        raise NotImplementedError

    def work(self, at: int) -> None:
        held = {}
        with suppress(OSError):
            for number in range(self.count):
                held[number] = self.opened(number)
        while not self.ended.wait(0.2):
            for number, connection in held.items():
                if self.has_ended(connection):
                    connection.close()
                    self.seen["ended by the product"] += 1
                    held[number] = self.opened(number)
        for connection in held.values():
            connection.close()

    def opened(self, number: int) -> socket.socket:
        connection = self.connect()
        connection.sendall(self.request(number))
        self.seen["opened"] += 1
        return connection

    def has_ended(self, connection: socket.socket) -> bool:
        """Without reading from it: as the kernel knows it."""
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state != 1  # no longer ESTABLISHED


class HalfSent(Held):
    """Announces a body and sends one byte of it."""

    def request(self, at: int) -> bytes:
        lines = [f"POST {BODIES[at % len(BODIES)]} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {UNKNOWN}"]
        return "\r\n".join([*lines, "Content-Length: 100000", "", ""]).encode() + b"{"


class Unread(Held):
    """Asks for a download and never reads it."""

    def __init__(self, port: int, count: int, requests: list[bytes]) -> None:
        super().__init__(port, count)
        self.requests = requests

    def request(self, at: int) -> bytes:
        return self.requests[at % len(self.requests)]


class Greedy(Hostile):
    """Each asks for what is dear, reads it, and asks again."""

    def __init__(self, port: int, count: int, requests: list[bytes]) -> None:
        super().__init__(port, count)
        self.threads, self.requests = count, requests

    def work(self, at: int) -> None:
        while not self.ended.is_set():
            asked = self.requests[at % len(self.requests)]
            at += 1
            with suppress(OSError), self.connect() as connection:
                connection.sendall(asked.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
                status = connection.recv(12)[9:12].decode()
                while connection.recv(65_536):
                    pass
                self.seen[status] += 1
