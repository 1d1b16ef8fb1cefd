"""What a body gets that is no batch, or too much of one: refused whole, and nothing stored."""

import gzip
import zlib
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from metering.errors import BatchTooLarge
from metering.ingest.formats.bodies import read_body
from metering.ingest.intake.api import EventsView
from metering.ingest.models import Batch
from tests.ingest.intake.endpoints import EVENTS, Post, error_of, nothing_stored
from tests.kit.factories import an_event, body_of
from workspaces.models import APIKey

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_the_fixed_day")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"events": {}}',
        b'{"events": null}',
        b'{"events": []}',
        b'{"events": [{"usage": {"prompt_tokens": NaN}}]}',
        b'{"events": [{"request_id": "\xff"}',
        b'{"events": [' + b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_batch_is_refused_whole(post: Post, body: bytes) -> None:
    response = post(body)
    assert response.status_code == 400
    assert error_of(response)["code"] == "malformed_body"
    assert error_of(response)["type"] == "invalid_request_error"
    assert nothing_stored()


def test_1001_events_are_too_many_and_1000_are_not(post: Post, key: APIKey) -> None:
    events = [an_event(key, request_id=f"r{at}") for at in range(1001)]
    response = post(body_of(events))
    assert response.status_code == 413
    assert error_of(response)["code"] == "batch_too_large"
    assert nothing_stored()
    assert post(body_of(events[:1000])).json()["accepted"] == 1000


def padded(size: int, key: APIKey) -> bytes:
    body = body_of([an_event(key)])
    return body[:-1] + b" " * (size - len(body)) + b"}"


def test_5_mib_are_taken_and_a_byte_more_is_not(post: Post, key: APIKey) -> None:
    assert post(padded(5 * 1024 * 1024, key)).status_code == 202
    response = post(padded(5 * 1024 * 1024 + 1, key))
    assert (response.status_code, error_of(response)["code"]) == (413, "batch_too_large")
    assert post(padded(6 * 1024 * 1024, key)).status_code == 413
    assert Batch.objects.count() == 1


def test_gzip_is_accepted(post: Post, key: APIKey) -> None:
    response = post(gzip.compress(body_of([an_event(key)])), **{"Content-Encoding": "gzip"})
    assert response.json()["accepted"] == 1
    assert bytes(Batch.objects.get().body) == body_of([an_event(key)])


@pytest.mark.parametrize("said", [{"HTTP_TRANSFER_ENCODING": "chunked"}, {"SERVER_PROTOCOL": "HTTP/2"}])
def test_a_streamed_body_which_comes_without_a_length_is_read_to_its_end_and_no_further_than_the_limit(
    rf: RequestFactory, said: dict[str, str]
) -> None:
    def streamed(body: bytes) -> WSGIRequest:
        request = rf.post(EVENTS, body, content_type="application/json", **said)  # type: ignore[arg-type]
        request.META["wsgi.input"] = BytesIO(body)  # as the web server hands it over: already without the chunks' sizes
        del request.META["CONTENT_LENGTH"]
        return request

    assert read_body(streamed(b'{"events": [{}]}')) == b'{"events": [{}]}'
    with pytest.raises(BatchTooLarge):
        read_body(streamed(b" " * (5 * 1024 * 1024 + 1)))


@pytest.mark.parametrize(("size", "read"), [(6 * 2**20, 6 * 2**20), (65 * 2**20, 64 * 2**20)])
def test_the_body_of_a_refused_request_is_read_within_bounds_so_that_its_sender_hears_why(
    rf: RequestFactory, size: int, read: int
) -> None:
    body = BytesIO(bytes(size))
    request = rf.post(EVENTS, headers={"Transfer-Encoding": "chunked", "Authorization": "Bearer nonsense"})
    request.META["wsgi.input"] = body
    assert EventsView.as_view()(request).status_code == 401
    assert body.tell() == read


def test_a_gzip_bomb_is_refused_without_being_blown_up(post: Post) -> None:
    bomb = gzip.compress(b" " * 200_000_000)
    assert len(bomb) < 250_000
    response = post(bomb, **{"Content-Encoding": "gzip"})
    assert (response.status_code, error_of(response)["code"]) == (413, "batch_too_large")
    assert nothing_stored()


GOOD_GZIP = gzip.compress(b'{"events": [{}]}', mtime=0)  # the same name in every process


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"this is no gzip"),
        ("gzip", GOOD_GZIP[:-9]),
        ("gzip", GOOD_GZIP + b"trailing"),
        ("gzip", GOOD_GZIP[:-5] + b"\x00" + GOOD_GZIP[-4:]),
        ("gzip", zlib.compress(b"{}")),
        ("br", b"{}"),
    ],
)
def test_a_body_that_does_not_decompress_is_refused(post: Post, encoding: str, body: bytes) -> None:
    response = post(body, **{"Content-Encoding": encoding})
    assert (response.status_code, error_of(response)["code"]) == (400, "malformed_body")
    assert nothing_stored()
