"""Callers that mean no good, each kind as many as asked for and for as long as its block lasts."""

import socket
import threading
from collections import Counter
from contextlib import suppress

ESTABLISHED = 1  # in the kernel's tcp_info
SMALL = 4096  # bytes of the receive buffer of those who do not read
PAUSE = 1.0  # seconds before an ended connection is opened again: they are idle, and not a flood


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

    def connect(self, buffer: int | None = None) -> socket.socket:
        made = socket.socket()
        if buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        made.settimeout(60)
        made.connect(("127.0.0.1", self.port))
        return made


class Held(Hostile):
    """Keeps so many connections open, each with one of the requests sent and nothing read; what ends is opened again."""

    def __init__(self, port: int, count: int, requests: list[bytes]) -> None:
        super().__init__(port, count)
        self.requests = requests

    def work(self, at: int) -> None:
        held = {number: self.opened(number) for number in range(self.count)}
        while not self.ended.wait(PAUSE):
            for number, connection in held.items():
                if self.has_ended(connection):
                    connection.close()
                    self.seen["ended by the product"] += 1
                    held[number] = self.opened(number)
        for connection in held.values():
            connection.close()

    def opened(self, number: int) -> socket.socket:
        connection = self.connect(SMALL)
        connection.sendall(self.requests[number % len(self.requests)])
        self.seen["opened"] += 1
        return connection

    def has_ended(self, connection: socket.socket) -> bool:
        """Without reading from it: as the kernel knows it."""
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state != ESTABLISHED


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
