"""Requests that break HTTP or only look odd: each is answered, none as an error of ours, and the next caller as ever."""

import json

import pytest

from tests.front.callers import Answer, Caller, head
from tests.front.conftest import Live
from tests.front.everyday import all_is_answered

EVENTS = "/gateway/v1/events"
CUT_OFF = {
    "message": "The body ended before it was whole, or its pieces cannot be read: nothing was stored.",
    "type": "invalid_request_error",
    "code": "malformed_body",
    "param": None,
}
NO_PATH = "The request has no path: it has to begin with a slash."
PIECES = {
    "a size below nothing": b"-1\r\n{}\r\n0\r\n\r\n",
    "a size as Python writes it": b"0x2\r\n{}\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"1ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "no size": b"\r\n{}\r\n0\r\n\r\n",
    "more than its size": b"1\r\n{}\r\n0\r\n\r\n",
    "an extension of 20 KB": b"2;" + b"a" * 20_000 + b"\r\n{}\r\n0\r\n\r\n",
    "a trailer of 30 KB": b"2\r\n{}\r\n0\r\nX-A: " + b"a" * 30_000 + b"\r\n\r\n",
}
LENGTHS = {
    "two lengths": {"Content-Length": "2\r\nContent-Length: 3"},
    "a list of lengths": {"Content-Length": "2, 2"},
    "a length below nothing": {"Content-Length": "-2"},
    "a length with a sign": {"Content-Length": "+2"},
    "a length beyond 64 bits": {"Content-Length": "9" * 30},
    "an unknown coding": {"Transfer-Encoding": "xchunked"},
    "a coding that is none": {"Transfer-Encoding": "identity"},
}


def answer_to(live: Live, data: bytes) -> Answer:
    with Caller(live.port) as caller:
        caller.send(data)
        return caller.read_answer()


def known(live: Live) -> dict[str, str]:
    return {"Authorization": f"Bearer {live.token}"}


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("path", [EVENTS, "/accounts/login/", "/webhooks/stripe", "/secret-scanning"])
def test_pieces_that_cannot_be_read_are_the_callers_mistake(live: Live, name: str, path: str) -> None:
    answer = answer_to(live, head("POST", path, **{"Transfer-Encoding": "chunked"}, **known(live)) + PIECES[name])
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    if path != "/accounts/login/":
        assert answer.error == CUT_OFF


def test_a_body_that_ends_early_stores_nothing_and_is_no_error_of_ours(live: Live) -> None:
    with Caller(live.port) as caller:
        caller.send(head("POST", EVENTS, **{"Content-Length": "100"}, **known(live)) + b'{"events"')
        caller.socket.shutdown(1)
        assert b" 500 " not in caller.read_all().split(b"\r\n")[0]
    all_is_answered(live)


@pytest.mark.parametrize("name", LENGTHS)
def test_a_length_that_two_readers_could_read_differently_is_refused(live: Live, name: str) -> None:
    answer = answer_to(live, head("POST", EVENTS, **LENGTHS[name], **known(live)) + b"{}")
    assert (answer.status, answer.headers["connection"]) == (400, "close")


def test_of_a_length_and_pieces_the_pieces_count_and_nothing_is_left_for_a_second_request(live: Live) -> None:
    both = {"Content-Length": "3", "Transfer-Encoding": "chunked"}
    hidden = head("GET", "/healthz")
    with Caller(live.port) as caller:
        caller.send(head("POST", EVENTS, **both, **known(live)) + b"2\r\n{}\r\n0\r\n\r\n" + hidden)
        first = caller.read_answer()
        assert (first.status, first.error["code"]) == (400, "malformed_body")
        rest = caller.read_all() if first.closed else b""
    assert rest == b""


@pytest.mark.parametrize("target", ["*", "evil.example", "evil.example:443"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "CONNECT"])
def test_what_names_no_path_reaches_no_page(live: Live, method: str, target: str) -> None:
    answer = answer_to(live, head(method, target, Connection="close"))
    assert answer.status == 400
    assert not answer.body or NO_PATH in answer.body.decode()


def test_what_is_answered_to_an_address_with_a_host_in_it_is_our_own_page(live: Live) -> None:
    answer = answer_to(live, head("GET", "http://evil.example/api/v1/key", Connection="close"))
    assert (answer.status, answer.error["code"]) == (401, "invalid_credential")


@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "TLS/1.0"])
@pytest.mark.parametrize("path", [EVENTS, "/api/v1/key", "/accounts/login/", "/healthz"])
def test_nothing_is_upgraded(live: Live, upgrade: str, path: str) -> None:
    more = {
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "HTTP2-Settings": "AAMAAABkAAQAAP__",
    }
    asked = head("HEAD", path, Connection="Upgrade, HTTP2-Settings", Upgrade=upgrade, **more, **known(live))
    with Caller(live.port) as caller:
        caller.send(asked)
        first = caller.socket.recv(100).split(b"\r\n")[0]
    assert first.split()[1] in (b"200", b"403", b"405"), first


def test_requests_in_a_row_are_answered_in_their_order(live: Live) -> None:
    """Also where the first is answered by a page process and the second by the event loop itself."""
    body = json.dumps({"events": "none"}).encode()
    row = [
        head("GET", "/accounts/login/"),
        head("GET", "/healthz"),
        head("POST", EVENTS, **{"Content-Length": str(len(body))}, **known(live)) + body,
        head("GET", "/nothing", Connection="close"),
    ]
    with Caller(live.port) as caller:
        caller.send(b"".join(row))
        answered = caller.read_all()
    statuses = [int(part[:3]) for part in answered.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 400, 404]


@pytest.mark.parametrize(
    ("head_of_it", "status"),
    [
        (b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-A: " + b"a" * 65_536 + b"\r\n\r\n", 200),
        (b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"a" * 600_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X-%d: a\r\n" % at for at in range(10_000)) + b"\r\n", 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
        (b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 400),
        (b"GET /accounts/login/ HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: a\x00b\r\n\r\n", 400),
        (b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: a\r\n b\r\n\r\n", 400),
    ],
)
def test_odd_heads_have_their_answer(live: Live, head_of_it: bytes, status: int) -> None:
    with Caller(live.port) as caller:
        caller.send(head_of_it)
        assert int(caller.socket.recv(100).split()[1]) == status


@pytest.mark.parametrize("ranges", ["bytes=0-0", "bytes=0-0,1-1,2-2", "bytes=" + ",".join(f"{at}-" for at in range(1_300))])
@pytest.mark.parametrize("path", ["/api/v1/usage/events?format=csv&", "/api/v1/exports/invoices?"])
def test_a_range_of_a_download_is_the_whole_of_it(live: Live, path: str, ranges: str) -> None:
    """Many small ranges of one file would each be a part of the answer."""
    span = "start=2026-11-01T00:00:00Z&end=2026-11-02T00:00:00Z"
    with Caller(live.port) as caller:
        asked = {"Authorization": f"Bearer {live.admin_key}", "Connection": "close", "Range": ranges}
        caller.send(head("GET", path + span, **asked))
        answered = caller.read_all()
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert b"multipart/byteranges" not in answered
