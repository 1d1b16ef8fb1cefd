"""What no schema describes: broken bytes in paths, queries, headers and bodies. It is the caller's mistake, never a 500.

`DEEP=5 pytest tests/openapi/test_odd_requests.py` searches deeper, and from another seed each time.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.days import fixed_day
from tests.kit.depth import search
from tests.kit.world import IN_PATH, World
from tests.openapi.document import document
from tests.openapi.server import Answer, ask

__all__ = ["fixed_day"]

NO_SCHEMA = ["/healthz", "/readyz", "/metrics", "/api/v1/schema/", "/api/v1/docs/", "/api/v1/nothing", "/gateway/v1/"]
OPERATIONS = [("GET", path) for path in NO_SCHEMA] + [
    (method.upper(), path) for path, operations in document()["paths"].items() for method in operations
]
PARAMETERS = ["start", "end", "bucket", "group_by", "model", "key_id", "provider", "status", "format", "limit", "cursor"]


def cursor(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode("utf-8", "surrogatepass")).decode().rstrip("=")


BYTES = ["%00", "%ED%A0%80", "%FF%FE", "%", "%zz", "%F0%9F%98%80", "%C0%AF", "%0d%0a", "a" * 5_000, "\xff", "\x01"]
NUMBERS = [
    "9" * 400,
    "9" * 5_000,
    "-1",
    "0",
    "1e999",
    "NaN",
    "Infinity",
    "%D9%A3",
    "%C2%B2",
    "1_0",
    "2147483648",
    "9223372036854775808",
]
TIMES = [
    "2026-10-01T00:00:00Z",
    "2026-11-01T00:00:00Z",
    "2026-10-01T00:00:00%2B99:99",
    "0001-01-01T00:00:00%2B23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "2026-W40-1T00:00Z",
    "20261001T000000.123456789Z",
    "%D9%A2026-10-01T00:00:00Z",
    "2200-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
]
CURSORS = [
    *map(cursor, ["[]", "[1e999,1]", "[0,0]", "[9223372036854775807,1]", "[36028797018963967,1]", "[-36028797018963968,1]"]),
    *map(
        cursor,
        [
            '["\\u0000"]',
            '["\\ud800"]',
            '["\ud800"]',
            "[true,false]",
            "[null]",
            "{}",
            "1",
            "[" * 20_000,
            "[" + "9" * 5_000 + "]",
        ],
    ),
    *map(cursor, ['[0,["\\ud800"]]', "[0,[0]]", '[0,["a","b"]]', "[1790000000000000,[]]", "[1.5]", '["inv_x"]']),
    "a",
    "====",
    "%2B%2F",
]
WORDS = ["json", "csv", "ndjson", "day", "hour", "none", "model,status", ",", "", "succeeded", "codex-mini"]
values = st.one_of(*map(st.sampled_from, (BYTES, NUMBERS, TIMES, CURSORS, WORDS)), st.binary(max_size=8).map(quote))
pairs = st.builds("{}={}".format, st.one_of(st.sampled_from(PARAMETERS), st.sampled_from(BYTES)), values)
within = st.sampled_from(["", "", "start=2026-09-01T00:00:00Z&end=2026-11-01T00:00:00Z"])
queries = st.builds(lambda first, rest: "&".join([first, *rest]), within, st.lists(pairs, max_size=3))

raw = st.one_of(
    st.sampled_from(["", " ", "\x00", "\xff", "\u00b2", "-1", "9" * 400]),
    st.text(st.characters(max_codepoint=255), max_size=12),
)
SECRET = "omx_live_" + "0" * 36
HEADERS = {
    "HTTP_AUTHORIZATION": st.one_of(raw, raw.map("Bearer {}".format), st.just(f"Bearer {SECRET}"), st.just("Basic Og==")),
    "HTTP_CONTENT_ENCODING": st.one_of(raw, st.sampled_from(["gzip", "GZIP", "br", "gzip, gzip", "identity", "zstd"])),
    "HTTP_TRANSFER_ENCODING": st.one_of(raw, st.just("chunked")),
    "HTTP_ACCEPT": st.one_of(raw, st.sampled_from(["text/html", "*/*;q=x", "application/json;version=x", "a/b/c,,"])),
    "HTTP_COOKIE": st.one_of(raw, st.sampled_from(["sessionid=x", "sessionid=\xff", "csrftoken=\x00; sessionid=", "=;=;="])),
    "HTTP_HOST": st.one_of(raw, st.sampled_from(["evil.example", "localhost:x", "[::1", "localhost:99999"])),
    "HTTP_X_FORWARDED_FOR": raw,
    "HTTP_X_FORWARDED_PROTO": raw,
    "HTTP_ACCEPT_LANGUAGE": st.one_of(raw, st.just("x" * 600)),
    "CONTENT_LENGTH": st.one_of(raw, st.sampled_from(["0", "1", "-5", "+3", "1_0", "1e3", "99999999999999999999"])),
    "CONTENT_TYPE": st.one_of(
        raw,
        raw.map("application/json; charset={}".format),
        st.sampled_from(["hex", "idna", "undefined", "utf-16", "utf-7", "punycode", "base64", "unicode_escape"]).map(
            "application/json; charset={}".format
        ),
        st.sampled_from(["application/json; charset*=hex''%41", "application/json; a=" + "b;" * 9_000]),
        st.sampled_from(["multipart/form-data", "multipart/form-data; boundary=\xff", "application/x-www-form-urlencoded"]),
    ),
}
headers = st.fixed_dictionaries({}, optional=HEADERS)

JSON_TEXTS = [
    "[" * 100_000,
    '{"events":' + "[" * 50_000,
    '{"events":[' + "[" * 900 + "]" * 900 + "]}",
    '{"events":[' + '{"usage":' * 900 + "1" + "}" * 900 + "]}",
    '{"name":' + "9" * 5_000 + "}",
    '{"grace_seconds":' + "9" * 400 + "}",
    '{"grace_seconds":1e999}',
    '{"name":NaN}',
    '{"name":"\\ud800"}',
    '{"name":"\\u0000"}',
    '{"name":"n","kind":{}}',
    '{"name":"n","kind":["live"]}',
    '{"name":"n","expires_at":"9999-12-31T23:59:59-23:59"}',
    '{"name":"n","expires_at":"0001-01-01T00:00:00+23:59"}',
    '{"name":"n","expires_at":9}',
    '{"\\ud800":1}',
    '{"\\u0000":1}',
    '{"":1}',
    '"events"',
    "null",
    "",
    "\ufeff{}",
    '{"events":[{"request_id":"\\ud800","key_id":"\\u0000"}]}',
    '{"events":[{"request_id":"r","key_id":"<key>","model":"m\\u0000","occurred_at":"2026-10-15T11:55:00Z","status":"failed"}]}',
    '{"events":[{"request_id":"r","key_id":"<key>","model":"m","occurred_at":"2026-10-15T11:55:00Z","status":"failed","metadata":'
    '{"\\u0000":"\\ud800"}}]}',
    '{"events":[1,null,"x",[],{"occurred_at":"0001-01-01T00:00:00+23:59"},{"attempt":' + "9" * 400 + "}]}",
    '{"events":[{"request_id":"r","key_id":"<key>","model":"m","occurred_at":"9999-12-31T23:59:59-23:59","usage":{}}]}',
]
texts = st.sampled_from(JSON_TEXTS)
bodies = st.one_of(
    texts.map(str.encode),
    texts.map(lambda text: gzip.compress(text.encode(), mtime=0)),
    texts.map(lambda text: text.encode("utf-16")),
    st.binary(max_size=20),
    st.just(b'{"events":["\xff"]}'),
    st.sampled_from([b"\xff\xfe", b'{"name":"\xff"}', b'{"name":"\xed\xa0\x80"}', b"\x1f\x8b", b" " * 6_000_000]),
)
BOUNDED = search(50, 1_000)
pytestmark = pytest.mark.django_db
operations = st.sampled_from(OPERATIONS)
callers = st.sampled_from(["admin key", "admin key", "live key", "gateway", "nobody"])


def is_answered(world: World, method: str, path: str, query: str = "", headers: Any = None, body: bytes = b"") -> Answer:
    """The request is answered with what it deserves: under /api and /gateway errors are of the one shape."""
    named = world.known({name: IN_PATH[name] for name in IN_PATH if f"{{{name}}}" in path})
    with transaction.atomic():
        answer = ask(method, path.format(**named), query, headers or {}, body.replace(b"<key>", world.ids["<key>"].encode()))
        transaction.set_rollback(True)
    assert answer.status < 500, answer
    if answer.status >= 400 and _speaks_json(method, path):
        error = json.loads(answer.body)["error"]
        assert set(error) == {"message", "type", "code", "param"}
        assert error["message"]
    return answer


def _speaks_json(method: str, path: str) -> bool:
    """The document and its browser are answered in the form that Accept asks for."""
    its_own_form = path.startswith(("/api/v1/schema/", "/api/v1/docs/"))
    return path.startswith(("/api/", "/gateway/")) and not its_own_form and method != "HEAD"


def credential(world: World, caller: str) -> dict[str, str]:
    return {"HTTP_" + name.upper(): value for name, value in world.callers[caller].items()}


@given(operation=operations, caller=callers, query=queries)
@BOUNDED
def test_no_query_breaks_anything(world: World, operation: tuple[str, str], caller: str, query: str) -> None:
    is_answered(world, *operation, query, credential(world, caller))


@given(operation=operations, caller=callers, odd=headers, body=bodies)
@BOUNDED
def test_no_header_breaks_anything(
    world: World, operation: tuple[str, str], caller: str, odd: dict[str, str], body: bytes
) -> None:
    is_answered(world, *operation, "limit=2", credential(world, caller) | odd, body)


@given(operation=operations.filter(lambda operation: operation[0] != "GET"), caller=callers, body=bodies, zipped=st.booleans())
@BOUNDED
def test_no_body_breaks_anything(world: World, operation: tuple[str, str], caller: str, body: bytes, zipped: bool) -> None:
    encoding = {"HTTP_CONTENT_ENCODING": "gzip"} if zipped else {}
    is_answered(world, *operation, "", credential(world, caller) | {"CONTENT_TYPE": "application/json"} | encoding, body)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "x"]),
    root=st.sampled_from(sorted({path.partition("{")[0] for _, path in OPERATIONS})),
    odd=st.lists(
        st.one_of(st.sampled_from(["..", "//", "\x00", "\xff", "\xed\xa0\x80", "{", "%00", "a" * 3_000]), raw), max_size=3
    ),
    caller=callers,
)
@BOUNDED
def test_no_path_breaks_anything(world: World, method: str, root: str, odd: list[str], caller: str) -> None:
    path = root + "/".join(odd)
    is_answered(world, method, path.replace("{", "{{").replace("}", "}}"), "", credential(world, caller))
