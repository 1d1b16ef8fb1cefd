"""One message of a gateway's queue: the call of one task, and nothing that Celery's headers could ask for besides."""

import json
import pickle
import zlib
from base64 import b64encode
from typing import Any

import pytest

from metering.ingest.formats.translated import Untranslatable
from metering.ingest.intake.broker.messages import JSON, TASK, Call, Message, read_call, read_redis

NOTHING_MORE = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
CLOSE_MONTH = {"task": "metering.close_month", "args": [], "kwargs": {"month": "2026-09", "started_by": "ceo@omixa.example"}}


def message(body: Any, headers: dict[str, Any] | None = None, content_type: str = JSON) -> Message:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message({"task": TASK, **(headers or {})}, content_type, content)


def refusal(of: Message) -> Untranslatable:
    refused = read_call(of)
    assert isinstance(refused, Untranslatable)
    return refused


def test_the_call_is_read() -> None:
    assert read_call(message([[[{"a": 1}]], {"gateway_id": "gw_1"}, NOTHING_MORE])) == Call(
        [[{"a": 1}]], {"gateway_id": "gw_1"}
    )


@pytest.mark.parametrize("task", ["metering.close_month", "celery.backend_cleanup", "celery.chord", None, 7, "x" * 10_000])
def test_another_task_is_refused_and_kept(task: Any) -> None:
    refused = refusal(message([[], {"month": "2026-09"}, NOTHING_MORE], {"task": task}))
    assert refused.code == "other_task"
    assert len(refused.message) < 400
    assert json.loads(refused.content)[1] == {"month": "2026-09"}


def test_whatever_else_the_headers_and_the_embedded_calls_ask_for_is_not_looked_at() -> None:
    embedded = {"callbacks": [CLOSE_MONTH], "errbacks": [CLOSE_MONTH], "chain": [CLOSE_MONTH], "chord": CLOSE_MONTH}
    headers = {
        "eta": "2099-01-01T00:00:00Z",
        "expires": "2000-01-01T00:00:00Z",
        "retries": 99,
        "timelimit": [1, 1],
        "shadow": "metering.close_month",
        "group": "g",
        "group_index": 1,
        "root_id": "r",
        "replaced_task_nesting": 1,
        "stamped_headers": ["x"],
        "stamps": {"x": CLOSE_MONTH},
        "id": "an id that another task has",
        "reply_to": "celery",
        "origin": "celery@elsewhere",
    }
    assert read_call(message([[[]], {}, embedded], headers)) == Call([[]], {})


def test_a_pickle_is_never_opened(tmp_path: Any) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "opened"), "w"))

    content = pickle.dumps(Bomb())
    for content_type in ("application/x-python-serialize", "application/data", JSON):
        assert refusal(message(content, content_type=content_type)).code == "malformed_message"
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("content_type", ["application/x-yaml", "application/x-msgpack", "text/plain", None])
def test_only_json_is_read(content_type: Any) -> None:
    assert refusal(message([[[]], {}, NOTHING_MORE], content_type=content_type)).code == "malformed_message"


def test_what_is_compressed_is_not_opened() -> None:
    content = zlib.compress(b"[" + b" " * 50_000_000 + b"[], {}]")
    assert refusal(message(content, {"compression": "application/x-gzip"})).code == "malformed_message"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"nothing",
        b"[]",
        b"[[]]",
        b"7",
        b"{}",
        b"[{}, [], {}]",
        b"[7, {}, {}]",
        b"[" * 5_000,
        b'[[], {"a": ' + b"[" * 900 + b"]" * 900 + b"}, {}]",
        b'[[{"__type__": "datetime", "__value__": "never"}], {}, {}]',
        b'[[{"__type__": "uuid", "__value__": 7}], {}, {}]',
        b'[[{"__type__": "decimal", "__value__": {}}], {}, {}]',
    ],
)
def test_what_cannot_be_read_is_kept_and_stops_nobody(body: bytes) -> None:
    refused = read_call(message(body))
    assert isinstance(refused, Call) or (refused.code, refused.content) == ("malformed_message", body)


def test_a_message_too_large_is_kept_up_to_a_bound(settings: Any) -> None:
    settings.INGEST_MAX_BYTES = 100
    refused = refusal(message([["x" * 2_000], {}, {}]))
    assert (refused.code, len(refused.content)) == ("message_too_large", 100)


def test_a_key_that_strays_into_a_refused_message_is_not_kept() -> None:
    refused = refusal(message([["omx_live_" + "7" * 36], {}, {}], {"task": "metering.close_month"}))
    assert b"7777" not in refused.content


def test_a_message_of_redis_is_unpacked() -> None:
    body = b"[[[]], {}, {}]"
    envelope = {"body": b64encode(body).decode(), "content-type": JSON, "headers": {"task": TASK}}
    envelope["properties"] = {"body_encoding": "base64", "delivery_info": {"exchange": "", "routing_key": "celery"}}
    assert read_redis(json.dumps(envelope).encode()) == Message({"task": TASK}, JSON, body)


@pytest.mark.parametrize(
    "item",
    [
        *(b"", b"\xff", b"7", b"[]", b"{}", b'{"body": 7}', b"[" * 5_000),
        *(b'{"body": "x", "headers": 7}', b'{"body": "x", "properties": 7}'),
        b'{"body": "\\u00e9", "properties": {"body_encoding": "base64"}}',
    ],
)
def test_what_is_no_message_is_kept(item: bytes) -> None:
    refused = read_redis(item)
    assert isinstance(refused, Untranslatable)
    assert (refused.code, refused.content) == ("malformed_message", item)
