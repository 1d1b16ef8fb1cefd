"""The connections of this process as the kernel knows them: those that do nothing, and those whose reader takes nothing.

granian counts every open connection against the number that it accepts, and ends neither one on which no request ever began nor
one whose answer is never read. The kernel ends the latter by itself when the listening socket says so; the former are looked
for now and then. So that no address can hold all that are accepted, each keeps CONNECTIONS_PER_ADDRESS of them.
"""

import asyncio
import math
import os
import socket
import struct
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from django.conf import settings

from omixa_billing.http.client_address import address_group

log = structlog.get_logger(__name__)

Client = tuple[str, str]

RESET = struct.pack("ii", 1, 0)  # what is still to be sent is forgotten when the server closes

LOOK_EVERY = 5.0  # seconds
MOMENT = 0.05
SOON = 0.2  # after the start, when the server has opened its socket
# Of Linux's struct tcp_info (linux/tcp.h): milliseconds since data was last sent, and since it was last received.
LAST_SENT, LAST_RECEIVED, INFO_BYTES = 44, 52, 104


class Connections:
    """On which of them requests are being answered, and the end of those that only stay open."""

    def __init__(self) -> None:
        self._busy: Counter[Client] = Counter()
        # When something was last answered there: the server writes an answer a moment after it was handed over.
        self._answered: dict[Client, float] = {}
        self._stalled: set[Client] = set()
        self._wake = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_now_and_then())

    @contextmanager
    def at_work(self, client: Client) -> Iterator[None]:
        self._busy[client] += 1
        try:
            yield
        finally:
            self._answered[client] = time.monotonic()
            self._busy[client] -= 1
            if not self._busy[client]:
                del self._busy[client]

    async def all_done(self, seconds: float) -> None:
        """When no request is being answered any more, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._busy:
                    await asyncio.sleep(MOMENT)

    def drop(self, client: Client) -> None:
        """Ends the connection from that address and port soon, whatever is still to be sent on it."""
        self._stalled.add(client)
        self._wake.set()

    async def _look_now_and_then(self) -> None:
        await asyncio.sleep(SOON)
        while True:
            stalled, self._stalled = self._stalled, set()
            self._forget_answered()
            self._wake.clear()
            if excess := await asyncio.to_thread(self._look, stalled):
                log.warning(
                    "too_many_connections", connections=len(excess), addresses=sorted({host for host, _ in excess})[:10]
                )
                self._stalled |= excess
                self._wake.set()
            await asyncio.sleep(SOON)  # many stall at once: one look finds all of them
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY)

    def _forget_answered(self) -> None:
        past = time.monotonic() - settings.HEAD_SECONDS
        self._answered = {client: at for client, at in self._answered.items() if at > past}

    def _look(self, stalled: set[Client]) -> set[Client]:
        """In a thread: it takes a while where there are many. Those that their address has too many of."""
        open_to: defaultdict[str, list[tuple[bool, float, Client]]] = defaultdict(list)
        for each in accepted(listeners()):
            client, idle = client_of(each), idle_seconds(each)
            busy = client in self._busy
            if client in stalled:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                shut(each)
            elif not busy and min(idle, self._seconds_since_answer(client)) > settings.HEAD_SECONDS:
                shut(each)
            elif client is not None:
                open_to[address_group(client[0])].append((not busy, idle, client))
        most = connections_per_address()
        return {client for them in open_to.values() for _, _, client in sorted(them)[most:]} if most else set()

    def _seconds_since_answer(self, client: Client | None) -> float:
        at = None if client is None else self._answered.get(client)
        return math.inf if at is None else time.monotonic() - at


def connections_per_address() -> int:
    """0 for any number: behind a proxy of ours all callers have its address, and it bounds them itself."""
    behind_proxy = settings.TRUSTED_PROXY_COUNT or settings.TRUSTED_CLIENT_IP_HEADER
    return 0 if behind_proxy else int(settings.CONNECTIONS_PER_ADDRESS)


def listeners() -> set[int]:
    """The ports that this process listens on. Who connects to them and then takes nothing is dropped by the kernel."""
    ports = set()
    for each in tcp_sockets():
        if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(settings.RESPONSE_STALL_SECONDS * 1000))
            ports.add(each.getsockname()[1])
    return ports


def accepted(ports: set[int]) -> Iterator[socket.socket]:
    """The connections of clients: not ours to the database or the broker."""
    for each in tcp_sockets():
        with suppress(OSError):  # it may have ended by now
            if each.getsockname()[1] in ports and not each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield each


def tcp_sockets() -> Iterator[socket.socket]:
    """Every TCP socket of this process, each for as long as the loop's body looks at it."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # it may be closed by now
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(name))) as found:
                    if found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM:
                        yield found


def client_of(connection: socket.socket) -> Client | None:
    """As the server names it; None when it has gone."""
    try:
        host, port, *_ = connection.getpeername()
    except OSError:
        return None
    return host, str(port)


def idle_seconds(connection: socket.socket) -> float:
    """Since anything was sent or received on it."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
    return min(struct.unpack_from("=I", info, at)[0] for at in (LAST_SENT, LAST_RECEIVED)) / 1000


def shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        connection.shutdown(socket.SHUT_RDWR)
