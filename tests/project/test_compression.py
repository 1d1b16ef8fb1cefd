"""Pages, JSON and CSV are compressed for those who accept that, and a stranger's copy is asked about instead of sent again."""

import gzip
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory

from metering.catalogue.seeds import load_catalogue
from omixa_billing.http.compression import CompressTexts

pytestmark = pytest.mark.django_db
TAKES_GZIP = {"accept-encoding": "gzip"}


def sent(response: HttpResponse | StreamingHttpResponse) -> Any:
    return CompressTexts(lambda _: response)(RequestFactory().get("/", headers=TAKES_GZIP))


@pytest.mark.parametrize("path", ["/models", "/api/v1/models", "/api/v1/schema/?format=json"])
def test_pages_and_json_are_compressed(client: Client, path: str) -> None:
    load_catalogue()
    plain, small = client.get(path), client.get(path, headers=TAKES_GZIP)
    assert gzip.decompress(small.content) == plain.content
    assert len(small.content) * 3 < len(plain.content)
    assert (small.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == ("gzip", False)


def test_the_length_of_a_page_is_not_the_same_twice(client: Client) -> None:
    load_catalogue()
    assert len({len(client.get("/models", headers=TAKES_GZIP).content) for _ in range(20)}) > 1


def test_a_stream_is_compressed_row_by_row() -> None:
    made = []

    def rows() -> Any:
        for number in range(100_000):
            made.append(number)
            yield f"row {number} {number * 7919 % 104729}\r\n"

    answer = sent(StreamingHttpResponse(rows(), content_type="text/csv; charset=utf-8"))
    pieces = iter(answer)
    first = [next(pieces), next(pieces)]
    assert len(made) < 50_000  # the rest is made when it is asked for
    whole = gzip.decompress(b"".join([*first, *pieces]))
    assert (whole.count(b"\r\n"), answer.headers["Content-Encoding"]) == (100_000, "gzip")


def test_what_is_compressed_already_goes_as_it_is() -> None:
    assert "Content-Encoding" not in sent(HttpResponse(b"%PDF" + b" " * 1_000, content_type="application/pdf")).headers


@pytest.mark.parametrize("path", ["/models", "/models/codex-mini", "/api/v1/models", "/api/v1/schema/"])
def test_what_has_not_changed_is_not_sent_again(client: Client, path: str) -> None:
    load_catalogue()
    first = client.get(path, headers=TAKES_GZIP)
    second = client.get(path, headers=TAKES_GZIP | {"if-none-match": first.headers["ETag"]})
    assert (second.status_code, second.content) == (304, b"")
