"""LiteLLM's payloads become our events: tokens, tier, status, identity and times, to the digit."""

import json
from typing import Any

import msgspec
import pytest

from metering.ingest.formats.events import Event, Rejected, read_event
from metering.ingest.formats.litellm import translate
from metering.ingest.formats.translated import Untranslatable
from metering.ingest.models import EventStatus, UsageSource
from tests.ingest.formats.payloads import CAPTURED, Payload, as_json, every_payload, payload_of, payloads_of

GOLDEN = (2006, 1920, 0, 300, 192)
ESTIMATED = UsageSource.ESTIMATED
PROVIDER = UsageSource.PROVIDER


def sent(payload: Payload) -> dict[str, Any]:
    """Our event, as the endpoint gets it."""
    [event] = translate(as_json(payload))
    assert isinstance(event, bytes)
    return json.loads(event)


def read(payload: Payload) -> Event:
    """Our event, as the endpoint reads it."""
    [event] = translate(as_json(payload))
    assert isinstance(event, bytes)
    return read_event(event, 0, CAPTURED)


def rejection(payload: Payload) -> Rejected:
    with pytest.raises(Rejected) as rejected:
        read(payload)
    return rejected.value


def untranslatable(payload: Any) -> Untranslatable:
    [event] = translate(as_json(payload))
    assert isinstance(event, Untranslatable)
    return event


@pytest.mark.parametrize(
    ("sample", "model", "provider", "tier", "counts", "source", "ended", "stream", "latency", "first_token"),
    [
        ("chat_cached", "up-codex", "openai", "default", GOLDEN, PROVIDER, "15:03:56.088684", False, 558, None),
        ("chat_stream_usage", "up-codex", "openai", "default", GOLDEN, PROVIDER, "15:04:00.287193", True, 156, 15),
        ("responses", "up-codex", "openai", "default", GOLDEN, PROVIDER, "15:04:08.563064", None, 7, None),
        ("responses_stream", "up-codex", "openai", "default", GOLDEN, PROVIDER, "15:04:12.649943", True, 51, 7),
        ("gpt5_priority", "up-gpt5", "openai", "priority", GOLDEN, PROVIDER, "15:04:16.812204", False, 5, None),
        ("gpt5_default", "up-gpt5", "openai", "default", GOLDEN, PROVIDER, "15:04:24.915840", False, 6, None),
        ("unknown", "up-unknown", "openai", "default", GOLDEN, PROVIDER, "15:04:28.979298", False, 5, None),
        (
            "claude_chat",
            "up-claude",
            "anthropic",
            "default",
            (2098, 1800, 248, 503, 0),
            PROVIDER,
            "15:04:33.036763",
            False,
            7,
            None,
        ),
        ("slow_abort", "up-slow", "openai", "default", (17, 0, 0, 9, 0), ESTIMATED, "15:04:50.295078", True, 912, 9),
        (
            "tier_downgraded_by_provider",
            "up-downgrade",
            "openai",
            "default",
            GOLDEN,
            PROVIDER,
            "15:07:35.412778",
            False,
            576,
            None,
        ),
        ("midstream_failure", "up-midfail", "openai", "default", (17, 0, 0, 1, 0), ESTIMATED, "15:08:04.347063", True, 38, 9),
    ],
)
def test_a_captured_payload_becomes_the_right_event(
    sample: str,
    model: str,
    provider: str,
    tier: str,
    counts: tuple[int, ...],
    source: UsageSource,
    ended: str,
    stream: bool | None,
    latency: int,
    first_token: int | None,
) -> None:
    event = read(payload_of(sample))
    assert (event.model, event.provider, event.service_tier) == (model, provider, tier)
    assert (event.counts, event.usage_source) == (counts, source)
    assert event.occurred_at.isoformat() == f"2026-11-20T{ended}+00:00"
    assert (event.stream, event.latency_ms, event.time_to_first_token_ms) == (stream, latency, first_token)
    assert event.key_id == "key_123"


@pytest.mark.parametrize(
    ("sample", "status"),
    [
        ("chat_cached", EventStatus.SUCCEEDED),
        ("slow_abort", EventStatus.ABORTED),
        ("midstream_failure", EventStatus.FAILED),
    ],
)
def test_how_a_response_ended(sample: str, status: EventStatus) -> None:
    assert read(payload_of(sample)).status == status


def test_an_event_holds_these_fields_and_no_others() -> None:
    assert sent(payload_of("chat_stream_usage", end_user="u-7")) == {
        "request_id": "a9e5ba1c-3ba5-45d2-94ff-b3d1a9aaae17",
        "attempt": 0,
        "key_id": "key_123",
        "model": "up-codex",
        "occurred_at": "2026-11-20T15:04:00.287193Z",
        "usage": {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 1920},
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": 192,
                "rejected_prediction_tokens": 0,
            },
            "cost": 0.002649,
        },
        "status": "succeeded",
        "provider": "openai",
        "endpoint": "/v1/chat/completions",
        "route": "openai/codex-mini-up",
        "user": "u-7",
        "stream": True,
        "latency_ms": 156,
        "time_to_first_token_ms": 15,
    }


def test_a_failover_is_a_failed_attempt_without_usage_and_a_response_that_counts_it() -> None:
    failed, served = (read(payload) for payload in payloads_of("fail_fallback"))
    assert failed.request_id == served.request_id == "13fa475e-9e4c-4c6a-989c-d09dda10b172"
    assert (failed.status, failed.counts, failed.model) == (EventStatus.FAILED, (0, 0, 0, 0, 0), "up-fail")
    assert (served.status, served.counts, served.model) == (EventStatus.SUCCEEDED, GOLDEN, "up-gpt5")
    # 1,795,187,081.2331 s in tenths of a millisecond, modulo 2**30, above 2**30
    assert (failed.attempt, served.attempt) == (2**30 + 17_951_870_812_331 % 2**30, 1)


def test_an_attempt_has_the_same_number_whenever_and_with_whatever_it_is_sent() -> None:
    failed, served = payloads_of("fail_fallback")
    both = translate(as_json([failed, served]))
    assert translate(as_json([served, failed])) == both[::-1]
    assert translate(as_json(failed)) + translate(as_json(served)) == both


def test_failures_of_one_call_are_attempts_of_their_own_in_the_order_of_their_starts() -> None:
    first = payloads_of("fail_fallback")[0]
    attempts = [sent(first | {"startTime": start})["attempt"] for start in (1795187081.2331, 1795187081.2332, 1795187082.0)]
    assert attempts == sorted(set(attempts))
    assert min(attempts) >= 2**30
    assert max(attempts) < 2**31


@pytest.mark.parametrize(
    ("headers", "attempt"),
    [
        ({"x-litellm-attempted-retries": 2, "x-litellm-attempted-fallbacks": 1}, 3),
        ({"x-litellm-attempted-retries": "2", "x-litellm-attempted-fallbacks": None}, 2),
        ({"x-litellm-attempted-retries": -1, "x-litellm-attempted-fallbacks": "x"}, 0),
        ({"x-litellm-attempted-retries": 1.5, "x-litellm-attempted-fallbacks": []}, 0),
        ({}, 0),
        (None, 0),
    ],
)
def test_a_response_is_the_attempt_that_litellm_counts(headers: dict[str, Any] | None, attempt: int) -> None:
    assert sent(payload_of(hidden_params__additional_headers=headers))["attempt"] == attempt


@pytest.mark.parametrize(
    ("requested", "served", "billed"),
    [
        ("priority", "default", "default"),
        ("priority", "priority", "priority"),
        ("priority", None, "default"),
        ("auto", "flex", "flex"),
        (None, "flex", "flex"),
        ("flex", "standard", "default"),
    ],
)
def test_a_whole_answer_tells_the_tier_that_was_served(requested: str | None, served: str | None, billed: str) -> None:
    payload = payload_of(model_parameters__service_tier=requested, response__service_tier=served)
    assert read(payload).service_tier == billed


def test_anthropics_tier_comes_with_its_usage() -> None:
    assert read(payload_of("claude_chat", metadata__usage_object__service_tier="priority")).service_tier == "priority"


@pytest.mark.parametrize("response", [{"text": "redacted-by-litellm"}, "redacted", None, [], {}])
def test_a_tier_that_was_asked_for_and_is_not_confirmed_waits_for_the_operator(response: Any) -> None:
    refused = untranslatable(payload_of(model_parameters__service_tier="priority", response=response))
    assert refused.code == "served_tier_unknown"
    assert "set service_tier and replay" in refused.message
    assert json.loads(refused.content) == sent(payload_of())


@pytest.mark.parametrize("requested", ["auto", "default", "standard", None])
def test_the_default_tier_needs_no_confirmation(requested: str | None) -> None:
    payload = payload_of("chat_stream_usage", model_parameters__service_tier=requested, response="redacted")
    assert read(payload).service_tier == "default"


def test_a_stream_that_says_nothing_of_its_tier_leaves_it_unknown_unless_it_failed() -> None:
    assert untranslatable(payload_of("chat_stream_usage", model_parameters__service_tier="flex")).code == "served_tier_unknown"
    assert read(payload_of("midstream_failure", model_parameters__service_tier="flex")).service_tier == "default"
    open_still = {"response__service_tier": "auto", "metadata__usage_object__service_tier": "AUTO"}
    asked = payload_of("chat_stream_usage", model_parameters__service_tier="flex", **open_still)
    assert untranslatable(asked).code == "served_tier_unknown"
    spoken = payload_of("chat_stream_usage", model_parameters__service_tier="flex", response__service_tier="flex")
    assert read(spoken).service_tier == "flex"


@pytest.mark.parametrize(
    "said",
    [
        {"traffic_type": "ON_DEMAND_PRIORITY"},
        {"trafficType": "ON_DEMAND_PRIORITY"},
        {"extra_properties": {"google": {"traffic_type": "ON_DEMAND_PRIORITY"}}},
    ],
)
def test_a_stream_whose_usage_says_by_another_name_which_tier_served_is_billed_by_it(said: dict[str, Any]) -> None:
    payload = payload_of("chat_stream_usage", model_parameters__service_tier="priority")
    payload["metadata"]["usage_object"] |= said
    assert read(payload).service_tier == "priority"


@pytest.mark.parametrize(
    ("digits", "instant"),
    [
        ("1795187036.088684", "2026-11-20T15:03:56.088684Z"),
        ("1795187036", "2026-11-20T15:03:56.000000Z"),
        ("1795187036.5", "2026-11-20T15:03:56.500000Z"),
        ("1793491199.9999999999", "2026-10-31T23:59:59.999999Z"),
        ("1793491200.0", "2026-11-01T00:00:00.000000Z"),
        ("0", "1970-01-01T00:00:00.000000Z"),
        ("99999999999.999999", "5138-11-16T09:46:39.999999Z"),
    ],
)
def test_times_are_read_by_their_digits_and_cut_to_microseconds(digits: str, instant: str) -> None:
    body = as_json(payload_of(endTime="END")).replace(b'"END"', digits.encode())
    [event] = translate(body)
    assert msgspec.json.decode(event)["occurred_at"] == instant


@pytest.mark.parametrize("end", [None, -1, "yesterday", 10**12, [], True])
def test_without_a_time_at_which_it_ended_an_event_is_refused(end: Any) -> None:
    assert rejection(payload_of(endTime=end)).message == "Object missing required field `occurred_at`"


@pytest.mark.parametrize(
    ("start", "latency"),
    [(None, None), (1795187037, None), (1795187036.088184, 1), (1795187036.088185, 0), (0, 1795187036089)],
)
def test_a_latency_is_in_whole_milliseconds_or_not_stated(start: Any, latency: int | None) -> None:
    assert sent(payload_of(startTime=start)).get("latency_ms") == (latency if (latency or 0) < 2**31 else None)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"litellm_call_id": None}, "invalid_event", "Object missing required field `request_id`"),
        ({"litellm_call_id": 7}, "invalid_event", "Expected `str`, got `array` - at `$.request_id`"),
        ({"metadata__user_api_key_auth_metadata": None}, "invalid_event", "Object missing required field `key_id`"),
        ({"metadata": None}, "invalid_event", "Object missing required field `key_id`"),
        ({"model_group": None, "model": None}, "invalid_event", "Object missing required field `model`"),
        ({"status": "pending"}, "invalid_event", "Invalid enum value 'unknown' - at `$.status`"),
        ({"status": None}, "invalid_event", "Invalid enum value 'unknown' - at `$.status`"),
        ({"metadata__usage_object": {}}, "usage_missing", "A succeeded event must carry its usage"),
        ({"metadata__usage_object": None}, "usage_missing", "A succeeded event must carry its usage"),
        ({"metadata__usage_object__prompt_tokens": "2006"}, "invalid_event", "Expected `int | null`, got `str`"),
        ({"metadata__usage_object__prompt_tokens": 2006.0}, "invalid_event", "Expected `int | null`, got `float`"),
        ({"metadata__usage_object__prompt_tokens": float("nan")}, "invalid_event", "Expected `int | null`, got `str`"),
        ({"metadata__usage_object__prompt_tokens": True}, "invalid_event", "Expected `int | null`, got `bool`"),
        ({"metadata__usage_object__prompt_tokens": [1]}, "usage_missing", "The usage object has no token counts"),
        ({"metadata__usage_object__prompt_tokens": -1}, "invalid_event", "Expected `int` >= 0"),
        ({"metadata__usage_object__prompt_tokens": 10**30}, "invalid_event", "Expected `int` <= 2147483647"),
        ({"metadata__usage_object__prompt_tokens": None}, "usage_missing", "The usage object has no token counts"),
        (
            {"metadata__usage_object__total_tokens": 2305},
            "usage_inconsistent",
            "The usage contradicts itself: total_tokens is 2305",
        ),
        (
            {"metadata__usage_object__prompt_tokens_details__cached_tokens": float("nan")},
            "invalid_event",
            "Expected `int | null`, got `str`",
        ),
    ],
)
def test_what_cannot_be_billed_is_refused_with_the_reason(changes: dict[str, Any], code: str, message: str) -> None:
    refused = rejection(payload_of(**changes))
    assert refused.code == code
    assert refused.message.startswith(message)


def test_zero_tokens_are_a_count_and_none_are_not() -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert read(payload_of(metadata__usage_object=nothing)).counts == (0, 0, 0, 0, 0)
    assert sent(payloads_of("fail_fallback")[0]).get("usage") is None


def test_anthropics_usage_counts_in_its_own_shape_too() -> None:
    native = {
        "input_tokens": 50,
        "output_tokens": 503,
        "cache_read_input_tokens": 1800,
        "cache_creation_input_tokens": 248,
        "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
    }
    assert read(payload_of("claude_chat", metadata__usage_object=native)).counts == (2098, 1800, 248, 503, 0)


def test_older_litellm_has_another_name_for_cache_writes() -> None:
    payload = payload_of("claude_chat")
    del payload["metadata"]["usage_object"]["prompt_tokens_details"]["cache_write_tokens"]
    assert read(payload).counts == (2098, 1800, 248, 503, 0)


def test_xais_reasoning_beside_the_completion_is_seen_by_the_total() -> None:
    usage = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
    }
    assert read(payload_of(metadata__usage_object=usage)).counts == (32, 0, 0, 103, 94)


def test_what_says_nothing_about_money_is_left_out_rather_than_refused() -> None:
    strange = sent(payload_of(custom_llm_provider="x" * 101, model="x" * 513, end_user={"a": 1}, stream="yes"))
    assert not {"provider", "route", "user"} & set(strange)
    assert strange["stream"] is False
    assert "user" not in sent(payload_of(end_user="a\x00b"))
    assert sent(payload_of(metadata__user_api_key_end_user_id="u-8"))["user"] == "u-8"


def test_an_answer_from_litellms_own_cache_is_marked() -> None:
    assert sent(payload_of(cache_hit=True))["metadata"] == {"litellm_cache_hit": True}
    assert "metadata" not in sent(payload_of(cache_hit=False))


def test_a_payload_of_nulls_is_refused_not_a_crash() -> None:
    nulls = dict.fromkeys(payload_of())
    assert rejection(nulls).code == "invalid_event"


def test_every_part_may_be_null_or_gone() -> None:
    for payload in every_payload():
        for name in payload:
            for changed in (payload | {name: None}, {key: value for key, value in payload.items() if key != name}):
                [event] = translate(as_json(changed))
                assert isinstance(event, bytes | Untranslatable)


@pytest.mark.parametrize("tier", ["my tier", "priority!", "t" * 65, ["priority"], {"name": "priority"}, True])
def test_a_tier_in_the_usage_that_nobody_can_read_is_refused_and_never_taken_for_none(tier: Any) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "service_tier": tier}
    assert "usage.service_tier" in rejection(payload_of(metadata__usage_object=usage)).message
