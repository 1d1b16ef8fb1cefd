"""CloudEvents carry our events: one or a batch, as their specification has it."""

import base64
import json
from typing import Any

import pytest

from metering.ingest.formats.cloudevents import is_cloudevents, unwrap
from metering.ingest.formats.events import read_event
from metering.ingest.formats.translated import Unopenable, Untranslatable
from tests.kit.factories import GOLDEN_USAGE, NOW

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
EVENT = {
    "request_id": "req_1",
    "key_id": "key_1",
    "model": "codex-mini",
    "occurred_at": "2026-10-15T11:55:00Z",
    "usage": GOLDEN_USAGE,
}
LIVE = "omx_live_" + "a" * 36


def envelope(**changes: Any) -> dict[str, Any]:
    """A CloudEvent with a full event of ours; a change of ... leaves an attribute out."""
    whole = {
        "specversion": "1.0",
        "id": "ce-1",
        "source": "/gateways/eu-1",
        "type": "com.omixa.usage",
        "time": "2026-10-15T11:00:00Z",
        "datacontenttype": "application/json",
        "data": EVENT,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def unwrapped(**changes: Any) -> Any:
    [event] = unwrap(json.dumps(envelope(**changes)).encode(), ONE)
    return event


def inside(**changes: Any) -> dict[str, Any]:
    event = unwrapped(**changes)
    assert isinstance(event, bytes)
    return json.loads(event)


def in_base64(data: bytes) -> dict[str, Any]:
    return {"data": ..., "data_base64": base64.b64encode(data).decode()}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in EVENT.items() if name not in names}


def test_the_data_is_the_event_byte_for_byte() -> None:
    data = b'{"request_id":"a",  "occurred_at":"2026-10-15T11:55:00Z", "usage":{"prompt_tokens":1.0}}'
    body = b'{"specversion":"1.0","id":"x","source":"s","type":"t","data":' + data + b"}"
    assert unwrap(body, ONE) == [data]
    assert unwrap(b"[" + body + b"," + body + b"]", BATCH) == [data, data]


def test_the_endpoint_reads_what_was_inside() -> None:
    event = read_event(unwrapped(), 0, NOW)
    assert (event.request_id, event.counts) == ("req_1", (2006, 1920, 0, 300, 192))
    assert event.occurred_at.isoformat() == "2026-10-15T11:55:00+00:00"


@pytest.mark.parametrize("left_out", [without("request_id"), EVENT | {"request_id": None}])
def test_the_envelopes_id_is_the_request_id_only_where_the_event_has_none(left_out: dict[str, Any]) -> None:
    assert inside(data=left_out)["request_id"] == "ce-1"
    assert inside()["request_id"] == "req_1"


@pytest.mark.parametrize("left_out", [without("occurred_at"), EVENT | {"occurred_at": None}])
def test_the_envelopes_time_is_when_it_occurred_only_where_the_event_says_nothing(left_out: dict[str, Any]) -> None:
    assert inside(data=left_out)["occurred_at"] == "2026-10-15T11:00:00Z"
    assert inside()["occurred_at"] == "2026-10-15T11:55:00Z"
    assert "occurred_at" not in inside(data=without("occurred_at"), time=...)


def test_both_may_come_from_the_envelope_and_the_rest_is_untouched() -> None:
    lean = without("request_id", "occurred_at")
    assert inside(data=lean) == lean | {"request_id": "ce-1", "occurred_at": "2026-10-15T11:00:00Z"}
    assert inside(data={}) == {"request_id": "ce-1", "occurred_at": "2026-10-15T11:00:00Z"}


@pytest.mark.parametrize(
    "changes",
    [
        {"datacontenttype": ...},
        {"datacontenttype": None},
        {"datacontenttype": "application/json; charset=utf-8"},
        {"datacontenttype": "Application/JSON"},
        {"datacontenttype": "text/json"},
        {"datacontenttype": "application/vnd.omixa.usage+json"},
        {"time": None},
        {"time": ...},
        {"subject": None, "dataschema": None},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "sequence": 7, "sampled": True},
        {"data_base64": None},
    ],
)
def test_optional_and_extension_attributes_change_nothing(changes: dict[str, Any]) -> None:
    assert inside(**changes) == EVENT


def test_data_in_base64_is_opened() -> None:
    assert inside(**in_base64(json.dumps(EVENT).encode())) == EVENT
    assert inside(**in_base64(json.dumps(without("request_id")).encode()))["request_id"] == "ce-1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"specversion": ...}, "specversion"),
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"id": ...}, "id is required"),
        ({"id": ""}, "id is required"),
        ({"id": 7}, "id is required"),
        ({"source": ...}, "source is required"),
        ({"source": ""}, "source is required"),
        ({"type": None}, "type is required"),
        ({"type": ["t"]}, "type is required"),
        ({"time": 1792065300}, "time must be RFC 3339"),
        ({"data": ...}, "data is missing"),
        ({"data": None}, "must be an event, a JSON object"),
        ({"data": json.dumps(EVENT)}, "must be an event, a JSON object"),
        ({"data": [EVENT]}, "must be an event, a JSON object"),
        ({"data": 5}, "must be an event, a JSON object"),
        ({"data_base64": "e30="}, "exclude each other"),
        ({"data": ..., "data_base64": "not base64!"}, "not Base64"),
        ({"data": ..., "data_base64": {"a": 1}}, "not Base64"),
        (in_base64(b"not json"), "must be an event, a JSON object"),
        (in_base64(b'{"a":1},{"b":2}'), "must be an event, a JSON object"),
        ({"datacontenttype": "application/xml", "data": "<usage/>"}, "datacontenttype must be application/json"),
        ({"datacontenttype": "application/jsonp"}, "datacontenttype must be application/json"),
        ({"datacontenttype": 5}, "datacontenttype must be application/json"),
    ],
)
def test_an_envelope_that_breaks_the_specification_is_refused(changes: dict[str, Any], message: str) -> None:
    refused = unwrapped(**changes)
    assert isinstance(refused, Untranslatable)
    assert refused.code == "invalid_cloudevent"
    assert message in refused.message


def test_a_refused_envelope_around_a_good_event_keeps_the_event_to_be_replayed() -> None:
    refused = unwrapped(type=..., data=without("request_id"))
    assert json.loads(refused.content) == EVENT | {"request_id": "ce-1"}


def test_a_bad_envelope_is_refused_and_its_neighbours_are_not() -> None:
    bad = [envelope(id=...), 7, "text", None, [], {}]
    events = unwrap(json.dumps([envelope(), *bad, envelope(data=EVENT | {"request_id": "z"})]).encode(), BATCH)
    assert [json.loads(event)["request_id"] for event in events if isinstance(event, bytes)] == ["req_1", "z"]
    assert {each.code for each in events[1:-1] if isinstance(each, Untranslatable)} == {"invalid_cloudevent"}
    assert len(events) == 8


def test_half_an_emoji_spoils_only_the_event_that_holds_it() -> None:
    broken = envelope(data=EVENT | {"model": "half an emoji: \ud83d"})
    first, second, third = unwrap(json.dumps([envelope(), broken, envelope()]).encode(), BATCH)
    assert json.loads(first) == json.loads(third) == EVENT
    assert isinstance(second, Untranslatable)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON",
        "application/cloudevents+json; charset=utf-8",
        'application/cloudevents+json ;charset="UTF-8"',
        "application/cloudevents+json;charset=us-ascii",
        "application/cloudevents+json; foo=bar; charset=UTF8",
    ],
)
def test_parameters_and_case_of_the_content_type_are_read_as_http_has_them(content_type: str) -> None:
    assert is_cloudevents(content_type)
    assert len(unwrap(json.dumps(envelope()).encode(), content_type)) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/cloudevents",
        "application/cloudevents+xml",
        "text/plain; a=application/cloudevents+json",
    ],
)
def test_other_content_types_are_not_cloudevents(content_type: str) -> None:
    assert not is_cloudevents(content_type)


def test_a_batch_of_none_holds_nothing() -> None:
    assert unwrap(b" [ ] ", BATCH) == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ONE),
        (b"hello", ONE),
        (b"[]", ONE),
        (b"{", ONE),
        (b"{}, {}", ONE),
        (b"{} {}", ONE),
        (b'{"a": NaN}', ONE),
        (b'{"a":' * 100_000, ONE),
        (b"{}", BATCH),
        (b"[", BATCH),
        (b"[{}", BATCH),
        (b"[" * 100_000, BATCH),
        (b"{}", ONE + "; charset=utf-16"),
        (b"{}", ONE + "; charset=iso-8859-1"),
    ],
    ids=range(14),
)
def test_a_body_that_is_not_what_it_claims_is_refused_as_a_whole(body: bytes, content_type: str) -> None:
    with pytest.raises(Unopenable):
        unwrap(body, content_type)


def test_a_credential_hidden_in_base64_is_not_kept() -> None:
    assert inside(**in_base64(json.dumps(EVENT | {"user": LIVE}).encode()))["user"] == "omx_live_[removed]"
    refused = unwrapped(type=..., **in_base64(json.dumps(EVENT | {"user": LIVE}).encode()))
    assert LIVE.encode() not in refused.content
    assert unwrapped(**in_base64(LIVE.encode())).content == b"{}"
