"""The memory for bodies is bounded, and no address takes it from the others."""

from contextlib import ExitStack

import pytest

from omixa_billing.front.memory import Memory, TooMuchAtOnce
from tests.front.callers import Caller, ask
from tests.front.conftest import Live

BODY = 5 * 2**20  # bytes: as much as a page reads of a person who shows a session
FULL = 80  # bodies: more than all that fits into a process


def test_all_bodies_together_take_no_more_than_there_is() -> None:
    memory = Memory(10)
    with memory.share() as first, memory.share() as second:
        first.grow(6)
        second.grow(4)
        with pytest.raises(TooMuchAtOnce):
            first.grow(1)
    assert memory.left == 10


def test_one_owner_takes_no_more_than_its_part_and_gets_it_back() -> None:
    memory = Memory(10, most_of_one=4)
    with memory.share("a") as first, memory.share("a") as second, memory.share("b") as other:
        first.grow(3)
        second.grow(1)
        with pytest.raises(TooMuchAtOnce):
            second.grow(1)
        other.grow(4)
        assert memory.left == 2
    with memory.share("a") as again:
        again.grow(4)
    assert memory.left == 10


def test_bodies_that_wait_from_one_address_leave_room_for_those_of_others(live: Live) -> None:
    head = f"POST /accounts/login/ HTTP/1.1\r\nHost: a\r\nCookie: sessionid=x\r\nContent-Length: {BODY}\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(FULL):
            caller = stack.enter_context(Caller(live.port, address="127.0.0.2"))
            caller.send(head)
            try:
                caller.send(b" " * (BODY - 1))
            except ConnectionError:  # refused while it was sending
                break
        answer = ask(live.port, "POST", "/accounts/login/", b"login=a", Cookie="sessionid=x")
        assert answer.status == 403  # without a token against forgery: a page answered
