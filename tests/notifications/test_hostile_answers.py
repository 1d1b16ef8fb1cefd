"""A receiver may send anything, for as long as it likes: a request costs its deadline at most, and little memory."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from metering.notifications.delivery import deliver
from metering.notifications.delivery.send import KEPT_OF_AN_ANSWER, WebhookAnswer, WebhookRequest, send_webhook
from metering.notifications.models import WebhookAttempt
from tests.kit.concurrent import awaited
from tests.kit.receiver import Receiver, Reply
from tests.notifications.cast import Hook, send, tell, the_delivery
from workspaces.models import Workspace

pytestmark = pytest.mark.usefixtures("_private_addresses")
OK = b"HTTP/1.1 200 OK\r\n"
Says = Callable[[socket.socket], None]


@contextmanager
def a_server_that(says: Says) -> Iterator[str]:
    """It reads the request's beginning, then says something; one connection after the other, until the test ends."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.settimeout(20)
                    connection.recv(65536)
                    says(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def sent_to(url: str) -> WebhookAnswer:
    return awaited(send_webhook(WebhookRequest(url, {}, b"{}"), deliver.tls_context()))


def for_ever(data: bytes, pause: float = 0.0) -> Says:
    def says(connection: socket.socket) -> None:
        while True:
            connection.sendall(data)
            time.sleep(pause)

    return says


def silent(connection: socket.socket) -> None:
    """Until the other side has left."""
    while connection.recv(65536):
        pass


def first(data: bytes, then: Says) -> Says:
    def says(connection: socket.socket) -> None:
        connection.sendall(data)
        then(connection)

    return says


def test_of_an_endless_body_two_kilobytes_are_read_and_the_status_counts() -> None:
    with a_server_that(first(OK + b"\r\n", for_ever(b"x" * 65536))) as url:
        answer = sent_to(url)
    assert (answer.status, answer.body, answer.succeeded) == (200, "x" * KEPT_OF_AN_ANSWER, True)


def test_a_body_that_drips_is_left_after_two_seconds() -> None:
    with a_server_that(first(OK + b"Content-Length: 100000\r\n\r\n", for_ever(b"x", 0.1))) as url:
        began = time.monotonic()
        answer = sent_to(url)
    assert answer.status == 200
    assert 1 <= len(answer.body) < 100  # of 100,000, ten in a second
    assert time.monotonic() - began > 1.5


@pytest.mark.parametrize(
    "says",
    [
        for_ever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
        first(OK, for_ever(b"x-more: y\r\n", 0.01)),
        first(OK, for_ever(b"x", 0.01)),
        first(OK + b"x-long: ", for_ever(b"y" * 65536)),
        silent,
    ],
    ids=["endless 100", "endless headers", "a line without an end", "a huge header", "silence"],
)
def test_what_never_comes_to_an_answer_ends_with_the_deadline(says: Says, settings: Any) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS = 1.0
    tracemalloc.start()
    try:
        with a_server_that(says) as url:
            answer = sent_to(url)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status is None
    assert answer.error
    assert most < 20_000_000


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "The connection was closed before an answer came."),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "Its answer is not HTTP as we read it: Bad status line"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", ""),
        (b"HTTP/1.1 99999 No\r\n\r\n", ""),
    ],
)
def test_what_is_no_answer_of_http_is_an_error(said: bytes, error: str) -> None:
    with a_server_that(lambda connection: connection.sendall(said)) as url:
        answer = sent_to(url)
    assert answer.status is None
    assert answer.error
    assert error in answer.error


@pytest.mark.parametrize(
    ("body", "kept"),
    [(b"\xff\xfe", "\ufffd\ufffd"), (b"a\x00b", "a\ufffdb"), (b"", ""), ("ü".encode() * 2000, "ü" * 1024)],
)
def test_any_body_can_be_kept(acme: Workspace, receiver: Receiver, hook: Hook, body: bytes, kept: str) -> None:
    receiver.reply = lambda request: Reply(500, body)
    tell(acme)
    send()
    assert WebhookAttempt.objects.get().answer_body == kept
    assert the_delivery().status == "waiting"


def test_a_compressed_bomb_is_not_unpacked(receiver: Receiver) -> None:
    receiver.reply = lambda request: Reply(200, b"\x1f\x8b\x08\x00" + b"\x00" * 100, {"Content-Encoding": "gzip"})
    answer = sent_to(receiver.url)
    assert answer.status == 200
    assert receiver.received[0].headers["accept-encoding"] == "identity"


def test_cookies_of_a_receiver_are_not_sent_back(receiver: Receiver) -> None:
    receiver.reply = lambda request: Reply(headers={"Set-Cookie": "session=1; Path=/"})
    sent_to(receiver.url)
    sent_to(receiver.url)
    assert "cookie" not in receiver.received[1].headers
