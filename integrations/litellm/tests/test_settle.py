"""Which event each attempt of a request gets."""

import asyncio
import json
from typing import Any

import pytest
from omixa_litellm.calls import Logged
from through_front import USAGE, World, stream, word


def test_failed_attempts_are_counted_and_the_hold_is_released_when_all_failed() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        for _ in range(3):
            world.settlement.dispatched(world.call, "anthropic_messages", "openai", "openai/m")
            world.settlement.dispatched(world.call, "acompletion", "openai", "openai/m")  # within the other
            world.settlement.attempt_failed(world.call, "acompletion")
            world.settlement.attempt_failed(world.call, "anthropic_messages")
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    world = World(application)
    world.post()
    assert [(event["attempt"], event["status"]) for event in world.events] == [(0, "failed"), (1, "failed"), (2, "failed")]
    assert world.product.released == [("hold_1", "every attempt failed")]


def test_a_stream_that_ends_is_billed_as_its_provider_says_and_in_the_tier_that_it_named() -> None:
    world = World(stream(word("a"), word("b", "stop")))
    world.post(stream=True)
    (event,) = world.events
    assert (event["status"], event["usage"], event["service_tier"]) == ("succeeded", USAGE, "priority")
    assert "usage_source" not in event


def test_a_tier_that_is_no_word_is_not_passed_on() -> None:
    world = World(stream(word("a"), {"service_tier": "x" * 65, "choices": []}))
    world.post(stream=True)
    (event,) = world.events
    assert (event["status"], event.get("service_tier")) == ("succeeded", None)


@pytest.mark.parametrize("after", ["failure", "left"])
def test_a_stream_that_breaks_is_billed_for_what_was_delivered(after: str) -> None:
    world = World(stream(word("one "), word("two "), word("three"), after=after))
    world.post(stream=True)
    if after == "left":  # LiteLLM never logs it
        call = world.call
        call.ended_at -= 60
        world.settlement.overdue(call)
        world.settlement.logged_success(call, Logged(USAGE, None, False))  # too late: it is settled
    (event,) = world.events
    held_for = world.product.asked[0]["input_tokens"]
    assert (event["status"], event["usage_source"]) == ("aborted", "estimated")
    assert event["usage"] == {"prompt_tokens": held_for, "completion_tokens": 3, "total_tokens": held_for + 3}
    assert (list(world.calls), world.product.released) == ([], [])


@pytest.mark.parametrize("read", [1, 900])
def test_the_prompt_of_a_stream_that_was_left_is_the_larger_of_both_counts(read: int) -> None:
    world = World(stream(word("one "), word("two"), after="left"))
    world.post(stream=True)
    world.settlement.logged_success(world.call, Logged({"prompt_tokens": read, "completion_tokens": 2}, None, False))
    (event,) = world.events
    counted = world.product.asked[0]["input_tokens"]
    assert event["usage"]["prompt_tokens"] == max(read, counted)


@pytest.mark.parametrize(
    ("reasons", "asked", "status"),
    [
        (False, {}, "aborted"),
        (True, {}, "succeeded"),
        (False, {"reasoning_effort": "low"}, "succeeded"),
        (False, {"modalities": ["text", "audio"]}, "succeeded"),
    ],
)
def test_a_stream_with_hidden_output_is_read_to_its_end_though_its_client_has_left(
    reasons: bool, asked: dict[str, Any], status: str
) -> None:
    """As LiteLLM does it: the one that waits for the end of a connection ends the stream."""
    begun = asyncio.Event()
    whole = stream(word("one "), word("two", "stop"))

    async def waits(receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            begun.set()

    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        leaving = asyncio.ensure_future(waits(receive))
        await begun.wait()
        await asyncio.sleep(0)
        answer = stream(word("one "), after="left") if leaving.done() else whole
        await answer(world, scope, receive, send)
        leaving.cancel()

    world = World(application)
    world.reasons = reasons
    seen = world.post(stream=True, **asked)
    for call in world.calls:
        call.ended_at -= 60
        world.settlement.overdue(call)
    (event,) = world.events
    assert (event["status"], seen.body) == (status, b"")
    assert (event["usage"] == USAGE) == (status == "succeeded")


def test_sound_and_pictures_of_a_stream_that_breaks_are_billed() -> None:
    sound = {"data": "A" * 6_400, "transcript": " one two"}  # 4,800 bytes
    delta = {"content": "three", "audio": sound, "images": [{"image_url": {"url": "data:image/png;base64,AAAA"}}]}
    world = World(stream({"choices": [{"index": 0, "delta": delta}]}, after="failure"))
    world.post(stream=True)
    (event,) = world.events
    assert (event["status"], event["usage"]["completion_tokens"]) == ("aborted", 3 + 2 + 1_290)
    assert event["usage"]["completion_tokens_details"] == {"audio_tokens": 2, "image_tokens": 1_290}


@pytest.mark.parametrize(
    ("details", "source"), [({}, "estimated"), ({"prompt_tokens_details": {"cached_tokens": 2}}, "provider")]
)
def test_what_the_provider_stated_of_a_whole_answer_is_billed_though_its_client_left(
    details: dict[str, Any], source: str
) -> None:
    usage = {"prompt_tokens": 4, "completion_tokens": 30_000, "total_tokens": 30_004, **details}
    world = World(stream(word("one "), word("two", "stop"), after="left"))
    world.post(stream=True)
    world.settlement.logged_success(world.call, Logged(usage, None, False))
    (event,) = world.events
    assert (event["status"], event.get("usage_source", "provider")) == ("aborted", source)
    assert (event["usage"] == usage) == (source == "provider")


def test_a_stream_that_breaks_before_any_content_failed() -> None:
    world = World(stream(after="failure"))
    world.post(stream=True)
    assert [event["status"] for event in world.events] == ["failed"]
    assert world.product.released == [("hold_1", "every attempt failed")]


def test_an_answer_that_litellm_never_logs_is_billed_by_the_usage_in_it() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        world.settlement.dispatched(world.call, "acompletion", "openai", "openai/m")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps({"usage": USAGE}).encode()})

    world = World(application)
    world.post()
    world.settlement.overdue(world.call)
    assert world.events == []
    world.call.ended_at -= 60
    world.settlement.overdue(world.call)
    assert [(event["status"], event["usage"]) for event in world.events] == [("succeeded", USAGE)]
