"""How many connections one address may hold: real sockets of this process, looked at as the front looks at its own."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from omixa_billing.front import connections as connections_of_front
from omixa_billing.front.connections import Connections

MOST = 5
ONE, OTHER = "127.0.0.1", "127.0.0.2"


class Server:
    """Accepts, and answers nobody."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._listening = stack.enter_context(socket.create_server((ONE, 0)))

    def connect(self, address: str, count: int) -> list[socket.socket]:
        callers = []
        for _ in range(count):
            caller = socket.create_connection(self._listening.getsockname(), source_address=(address, 0))
            caller.settimeout(0)
            callers.append(self._stack.enter_context(caller))
            self._stack.enter_context(self._listening.accept()[0])
        return callers


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(stack)


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    settings.CONNECTIONS_PER_ADDRESS, settings.HEAD_SECONDS = MOST, 60


def is_open(caller: socket.socket) -> bool:
    try:
        return caller.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def look_twice(connections: Connections) -> None:
    """What the first look finds, the next one ends, as the front does within a moment."""
    connections._look(connections._look(set()))


def test_what_an_address_has_beyond_its_number_is_ended_and_no_other_address_loses_any(server: Server) -> None:
    greedy, modest = server.connect(ONE, MOST + 7), server.connect(OTHER, MOST)
    look_twice(Connections())
    assert sum(is_open(each) for each in greedy) == MOST
    assert all(is_open(each) for each in modest)


def test_those_on_which_something_is_answered_are_kept_before_those_that_only_stay_open(server: Server) -> None:
    callers, connections = server.connect(ONE, MOST + 7), Connections()
    host, port = callers[-1].getsockname()
    with connections.at_work((host, str(port))):
        look_twice(connections)
    assert is_open(callers[-1])
    assert sum(is_open(each) for each in callers) == MOST


@pytest.mark.parametrize(("name", "value"), [("TRUSTED_PROXY_COUNT", 1), ("TRUSTED_CLIENT_IP_HEADER", "X-Real-IP")])
def test_behind_a_proxy_of_ours_they_are_not_counted(server: Server, settings: Any, name: str, value: object) -> None:
    setattr(settings, name, value)
    callers = server.connect(ONE, MOST + 7)
    look_twice(Connections())
    assert all(is_open(each) for each in callers)


def test_none_are_counted_when_the_setting_is_0(server: Server, settings: Any) -> None:
    settings.CONNECTIONS_PER_ADDRESS = 0
    callers = server.connect(ONE, MOST + 7)
    look_twice(Connections())
    assert all(is_open(each) for each in callers)


@pytest.fixture
def silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every connection, as the kernel has it."""
    monkeypatch.setattr(connections_of_front, "idle_seconds", lambda _: 61.0)


def test_an_answer_that_took_long_is_not_cut_off_on_its_way_through_the_server(server: Server, silent_for_long: None) -> None:
    """Its connection has been silent for as long as the answer took, and nothing is at work on it any more."""
    (answered, silent), connections = server.connect(ONE, 2), Connections()
    host, port = answered.getsockname()
    with connections.at_work((host, str(port))):
        pass
    connections._look(set())
    assert (is_open(answered), is_open(silent)) == (True, False)


def test_a_connection_on_which_nothing_follows_an_answer_is_ended(
    server: Server, silent_for_long: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (answered,), connections = server.connect(ONE, 1), Connections()
    host, port = answered.getsockname()
    with connections.at_work((host, str(port))):
        pass
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 61)
    monkeypatch.setattr(connections_of_front, "time", later)
    connections._look(set())
    assert not is_open(answered)
