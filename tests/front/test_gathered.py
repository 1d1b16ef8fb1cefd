"""Answers of many small pieces, as the page processes hand them on."""

from collections.abc import Iterator
from typing import Any

from omixa_billing.front.socket import PIECE, Gathered, behind_front


def test_small_pieces_are_joined_and_nothing_is_lost() -> None:
    lines = [b"%d\n" % at for at in range(20_000)]
    pieces = list(Gathered(lines))
    assert b"".join(pieces) == b"".join(lines)
    assert [len(piece) >= PIECE for piece in pieces] == [True, True, True, False]


def test_an_answer_that_is_broken_off_ends_what_makes_it() -> None:
    ended = []

    def lines() -> Iterator[bytes]:
        try:
            while True:
                yield b"a line\n"
        finally:
            ended.append(True)

    answer = Gathered(lines())
    next(iter(answer))
    assert not ended
    answer.close()
    assert ended == [True]


def test_the_address_is_what_the_front_says() -> None:
    def address(environ: dict[str, Any], _: Any) -> list[bytes]:
        return [environ["REMOTE_ADDR"].encode(), b" ", str("HTTP_X_OMIXA_FRONT_PEER" in environ).encode()]

    environ = {"REMOTE_ADDR": "/run/pages.sock", "HTTP_X_OMIXA_FRONT_PEER": "203.0.113.9"}
    assert b"".join(behind_front(address)(environ, None)) == b"203.0.113.9 False"
