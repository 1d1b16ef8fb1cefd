"""Requests of another shape than a browser's: bodies, methods, headers and cookies that no page expects."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from tests.fuzz.conftest import SIGNS_OUT, Product
from tests.kit.depth import DEEP, some

BOUNDARY = b"--x\r\nContent-Disposition: form-data; "
PART = BOUNDARY + b'name="name"'
MULTIPART = "multipart/form-data; boundary=x"

BODIES: list[tuple[str, bytes]] = [
    ("", b"a=b"),
    ("text/plain", b"name=a"),
    ("application/json", b"[" * 100_000),
    ("application/json", b'{"a":' * 100_000),
    ("application/json", b'{"name": "\\ud800", "n": 1e400}'),
    ("application/json", b"\xff\xfe{}"),
    ("application/x-www-form-urlencoded", b"=&&&=;%&%zz=%"),
    ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % at for at in range(1_001))),
    ("application/x-www-form-urlencoded", b"name=%ED%A0%80&name=%FF&name[]=1&name[a][b]=2" + b"[" * 5_000),
    ("application/x-www-form-urlencoded; charset=utf-7", b"name=+AGE-"),
    ("application/x-www-form-urlencoded; charset=nonsense", b"name=a"),
    ("multipart/form-data", PART + b"\r\n\r\na\r\n--x--\r\n"),
    ("multipart/form-data; boundary=" + "x" * 300, b""),
    (MULTIPART, b""),
    (MULTIPART, PART + b"\r\n\r\nno end"),
    (MULTIPART, PART + b'; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\na file\r\n--x--\r\n'),
    (MULTIPART, BOUNDARY + b"filename*=utf-7''%00%ff; name=\xff\r\n\r\na\r\n--x--\r\n"),
    (MULTIPART, PART + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%\r\n--x--\r\n"),
    (MULTIPART, b"".join(BOUNDARY + b'name="f"; filename="%d"\r\n\r\na\r\n' % at for at in range(101)) + b"--x--\r\n"),
]
METHODS = ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO-BAR", "$$$", "get"]
ODD = ["", " ", "\xff\xfe", "\u00e9" * 100, "a" * 8_000, ",,,;;;===", '"', "%00", "\x01", "0", "-1", "9" * 400]
HEADERS = ["Accept", "Accept-Language", "Accept-Encoding", "Content-Language", "Referer", "Origin", "User-Agent", "X-CSRFToken"]
HEADERS += ["If-None-Match", "If-Modified-Since", "Range", "HX-Request", "HX-Current-URL", "HX-Target", "X-Forwarded-For"]
HEADERS += [
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Authorization",
    "Idempotency-Key",
    "Stripe-Signature",
    "X-Workspace",
    "Forwarded",
]
COOKIES = ["sessionid", "csrftoken", "messages", "known_browser", "a b"]


def paths(product: Product) -> list[tuple[str, str]]:
    """Who asks for which: every address, and where every form leads."""
    pages = [(page.who, page.path) for page in product.pages]
    forms = [(who, form.action.partition("?")[0]) for who, form in product.forms()]
    return sorted({each for each in pages + forms if SIGNS_OUT not in each[1]})


def few(product: Product, first: int) -> list[tuple[str, str]]:
    """All of them, or in short every third from the `first`."""
    return paths(product) if DEEP else paths(product)[first::3]


def faults_of(product: Product, requests: Iterator[tuple[Any, ...]]) -> list[Any]:
    found = []
    for who, method, path, body, more in requests:
        answer = product.ask(who, method, path, body, **more)
        if answer.faults:
            print(who, method, path, body[:60], more, answer.faults, flush=True)
            found.append((who, method, path, body[:60], more, answer.faults))
    return found


def test_no_body_breaks_anything_that_takes_one(product: Product) -> None:
    turn = count()
    sent = (
        (who, "POST", path, body, {"content_type": kind})
        for who, path in few(product, 0)
        for kind, body in some(BODIES, next(turn))
    )
    assert faults_of(product, sent) == []


def test_no_method_breaks_a_page(product: Product) -> None:
    turn = count()
    sent = ((who, method, path, b"", {}) for who, path in few(product, 1) for method in some(METHODS, next(turn)))
    assert faults_of(product, sent) == []


def test_no_header_breaks_a_page(product: Product) -> None:
    turn, values = count(), count()
    sent = (
        (who, "GET", path, b"", {"headers": {name: value}})
        for who, path in few(product, 2)
        for name in some(HEADERS, next(turn))
        for value in some(ODD, next(values))
    )
    assert faults_of(product, sent) == []


def test_no_cookie_breaks_a_page(product: Product) -> None:
    for at, value in enumerate([*ODD, "a\\000b", '"\\000"', "{}", "gAAAA:1:2"]):
        for name in COOKIES:
            sent = {"HTTP_COOKIE": f"{name}={value}", "HTTP_X_CSRFTOKEN": value}
            for method, path in (("GET", "/keys"), ("POST", "/accounts/login/"), ("GET", "/admin/")):
                assert product.ask("stranger", method, path, b"login=a", **sent).faults == [], (at, name, method, path)
