"""The forms in which LiteLLM's payloads arrive, and what stays behind of them."""

import json
from typing import Any

import pytest

from metering.errors import MalformedBody
from metering.ingest.formats.litellm import translate
from metering.ingest.formats.translated import Unopenable, Untranslatable
from tests.ingest.formats.payloads import as_json, changed, every_payload, payload_of

KEY = "sk-proj-4f9aQ2plaintext"
PROMPT = "Explain this model in three practical bullet points."


@pytest.fixture(scope="module")
def payloads() -> list[dict[str, Any]]:
    return every_payload()


@pytest.fixture(scope="module")
def events(payloads: list[dict[str, Any]]) -> list[bytes | Untranslatable]:
    return translate(as_json(payloads))


def test_there_is_an_event_for_each_payload_in_order(payloads: list[Any], events: list[Any]) -> None:
    assert len(events) == 13
    assert [json.loads(event)["request_id"] for event in events] == [payload["litellm_call_id"] for payload in payloads]


def test_one_an_array_and_one_per_line_say_the_same(payloads: list[Any], events: list[Any]) -> None:
    lines = [as_json(payload) for payload in payloads]
    assert [event for line in lines for event in translate(line)] == events
    assert translate(b"\n".join(lines)) == events
    assert translate(b"\r\n\n" + b"\r\n".join(lines) + b"\r\n") == events
    assert translate(json.dumps(payloads, indent=2).encode()) == events
    assert [event for payload in payloads for event in translate(json.dumps(payload, indent=2).encode())] == events
    assert translate(json.dumps(payloads, ensure_ascii=False).encode()) == events


def test_pythons_nan_infinity_and_half_emoji_do_no_harm(payloads: list[Any], events: list[Any]) -> None:
    strange = [
        payload | {"response_cost": float("nan"), "response_time": float("-inf"), "messages": ["half an emoji: \ud83d"]}
        for payload in payloads
    ]
    assert translate(as_json(strange)) == events
    assert translate(b"\n".join(as_json(payload) for payload in strange)) == events
    assert translate(json.dumps(strange[0], indent=2).encode()) == events[:1]


def test_a_bad_payload_is_refused_alone(payloads: list[Any], events: list[Any]) -> None:
    bad = [7, "text", None, [], {"litellm_call_id": "a", "metadata": KEY}, {"litellm_call_id": ["b"], "metadata": 3}]
    among = translate(as_json([payloads[0], *bad, payloads[1]]))
    assert (among[0], among[-1]) == tuple(events[:2])
    refused = among[1:-1]
    assert {each.code for each in refused if isinstance(each, Untranslatable)} == {"invalid_litellm_payload"}
    assert [each[2] for each in refused] == [b"{}", b"{}", b"{}", b"{}", b'{"request_id":"a"}', b"{}"]


def test_a_broken_line_is_refused_alone(payloads: list[Any], events: list[Any]) -> None:
    first, second = (as_json(payload) for payload in payloads[:2])
    for broken in (b'{"litellm_call_id": "c", ', b'{"a": 1}}', b"{" * 5000):
        among = translate(b"\n".join([first, broken, second]))
        assert (among[0], among[2]) == tuple(events[:2])
        assert isinstance(among[1], Untranslatable)
        assert (among[1].code, among[1].content) == ("invalid_litellm_payload", b"{}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"hello",
        b"null",
        b'"text"',
        b"7",
        b"{",
        b'{"a": 1',
        b"[1, 2",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe",
    ],
    ids=range(12),
)
def test_a_body_that_is_no_json_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Unopenable):
        translate(body)


def test_an_empty_array_is_refused() -> None:
    with pytest.raises(MalformedBody, match=r"events is empty: send 1 to 1,000 of them\."):
        translate(b"[]")


def test_a_payload_of_five_mebibytes_leaves_a_small_event() -> None:
    long = "word " * 1_000_000
    payload = payload_of(messages=[{"role": "user", "content": long}])
    [event] = translate(as_json(payload))
    assert event == translate(as_json(payload_of()))[0]


SECRET_PLACES = {
    "metadata__user_api_key_hash": KEY,
    "metadata__user_api_key_alias": KEY,
    "metadata__requester_metadata": {"headers": {"authorization": f"Bearer {KEY}"}},
    "metadata__requester_custom_headers": {"x-api-key": KEY},
    "metadata__user_api_key_auth_metadata__secret": KEY,
    "metadata__usage_object__secret": KEY,
    "metadata__usage_object__prompt_tokens": KEY,
    "metadata__usage_object__completion_tokens_details__reasoning_tokens": {"key": KEY},
    "model_parameters__api_key": KEY,
    "model_parameters__stream": KEY,
    "hidden_params__additional_headers__x-litellm-attempted-retries": KEY,
    "api_base": f"https://example.test/?key={KEY}",
    "messages": [{"role": "user", "content": KEY}],
    "response__choices": [{"message": {"content": KEY}}],
    "error_str": KEY,
    "error_information__error_class": KEY,
    "error_information__error_message": KEY,
    "error_information__traceback": KEY,
    "status": KEY,
    "startTime": KEY,
    "endTime": KEY,
    "cache_hit": KEY,
    "stream": KEY,
    "trace_id": KEY,
    "id": KEY,
}


@pytest.mark.parametrize("place", SECRET_PLACES)
def test_a_secret_stays_behind_wherever_it_is(place: str) -> None:
    [event] = translate(as_json(changed(payload_of(), **{place: SECRET_PLACES[place]})))
    assert KEY not in str(event)


@pytest.mark.parametrize("name", sorted(payload_of()))
def test_a_secret_in_place_of_a_whole_part_stays_behind_unless_the_part_is_one_of_our_own_texts(name: str) -> None:
    ours = {"litellm_call_id", "model_group", "model", "custom_llm_provider", "end_user"}
    [event] = translate(as_json(payload_of() | {name: KEY}))
    assert (KEY in str(event)) == (name in ours)


def test_prompts_and_answers_stay_behind(payloads: list[Any], events: list[Any]) -> None:
    assert PROMPT in as_json(payloads).decode()
    for part in (PROMPT, "BaseHTTP", "127.0.0.1", "user_api_key", "x-stainless", "Traceback", "OpenAI/Python"):
        assert part not in str(events)
