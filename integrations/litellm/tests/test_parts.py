"""A provider that is called again within one request is asked about, held for and billed each time."""

import json
from typing import Any

import pytest
from omixa_litellm.calls import Logged
from omixa_litellm.refusals import Refusal
from through_front import ALLOWED, BODY, USAGE, World, word

LARGER = {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45}
AFTER_TOOL = [{"role": "user", "content": "a b c"}, {"role": "tool", "content": "d e f g h"}]


async def say(send: Any, *events: dict[str, Any], last: bool = False) -> None:
    content = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    await send({"type": "http.response.body", "body": content, "more_body": not last})


async def begin(send: Any, kind: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})


def billed(world: World) -> list[tuple[str, int, str, Any]]:
    first = world.product.asked[0]["request_id"]
    return [
        (event["request_id"].removeprefix(first), event["attempt"], event["status"], event.get("usage"))
        for event in world.events
    ]


async def two_calls(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """LiteLLM runs a tool: what it announces twice it sends once, and it logs the first answer only, when it likes."""
    call = world.call
    await world.parts.before(call, "acompletion", {})
    world.settlement.dispatched(call, "acompletion", "openai", "openai/m")
    for usage, messages in ((USAGE, None), (LARGER, AFTER_TOOL)):
        await world.dispatch(messages=messages)
        for _ in range(2):  # by the inner call, and by the one around it
            world.settlement.answered(call, Logged(usage, "default", whole=True))
    world.settlement.logged_success(call, Logged(USAGE, "default"))
    await begin(send, b"application/json")
    await send({"type": "http.response.body", "body": json.dumps({"usage": LARGER}).encode()})
    world.settlement.logged_success(call, Logged(USAGE, "default"))


def test_each_call_of_a_tool_loop_is_held_for_and_billed_once() -> None:
    world = World(two_calls)
    assert world.post().status == 200
    assert billed(world) == [("", 0, "succeeded", USAGE), (".1", 0, "succeeded", LARGER)]
    first, second = world.product.asked
    assert second["request_id"] == first["request_id"] + ".1"
    assert second["input_tokens"] > first["input_tokens"]
    assert world.events[1]["metadata"] == {"part_of": first["request_id"]}
    assert (list(world.calls), world.product.released) == ([], [])


def test_a_second_call_that_is_refused_is_not_sent_and_neither_is_a_third() -> None:
    refused: list[int] = []

    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await world.dispatch()
        world.settlement.answered(world.call, Logged(USAGE, None, whole=True))
        world.product.decision = {"allowed": False, "error": {"status": 402, "body": BODY}}
        for _ in range(3):  # LiteLLM tries again, and another model
            with pytest.raises(Refusal) as refusal:
                await world.dispatch(messages=AFTER_TOOL)
            refused.append(refusal.value.status)
        await begin(send, b"application/json")
        await send({"type": "http.response.body", "body": b"{}"})

    world = World(application)
    world.post()
    assert (refused, len(world.product.asked)) == ([402] * 3, 2)
    assert billed(world) == [("", 0, "succeeded", USAGE)]
    assert (list(world.calls), world.product.released) == ([], [])


def test_a_second_call_asks_for_no_more_than_is_held_for_it() -> None:
    sent: list[Any] = []

    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await world.dispatch(max_tokens=100)
        world.settlement.answered(world.call, Logged(USAGE, None, whole=True))
        world.product.decision = {**ALLOWED, "hold_id": "hold_2", "max_output_tokens": 7}
        sent.append(await world.dispatch(messages=AFTER_TOOL, max_tokens=100))
        world.settlement.attempt_failed(world.call, "acompletion")
        await begin(send, b"application/json")
        await send({"type": "http.response.body", "body": b"{}"})

    world = World(application)
    world.product.decision = {**ALLOWED, "max_output_tokens": 100}
    world.post(max_tokens=100)
    assert sent == [{"messages": AFTER_TOOL, "max_tokens": 7}]
    assert billed(world) == [("", 0, "succeeded", USAGE), (".1", 0, "failed", None)]
    assert world.product.released == [("hold_2", "every attempt failed")]


def test_a_stream_that_another_deployment_continues_is_held_for_and_billed_twice() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await world.dispatch()
        await begin(send, b"text/event-stream")
        await say(send, word("a b"))
        await world.dispatch()
        await say(send, word("c", "stop"), last=True)
        world.settlement.logged_success(world.call, Logged(USAGE, None))

    world = World(application)
    world.post(stream=True)
    counted = {"prompt_tokens": world.product.asked[0]["input_tokens"], "completion_tokens": 2}
    counted["total_tokens"] = sum(counted.values())
    assert billed(world) == [("", 0, "aborted", counted), (".1", 0, "succeeded", USAGE)]
    assert len(world.product.asked) == 2


def test_a_stream_that_breaks_before_any_content_and_is_tried_again_is_one_hold_and_two_attempts() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await world.dispatch()
        await begin(send, b"text/event-stream")
        await world.dispatch()
        await say(send, word("c", "stop"), last=True)
        world.settlement.logged_success(world.call, Logged(USAGE, None))

    world = World(application)
    world.post(stream=True)
    assert billed(world) == [("", 0, "failed", None), ("", 1, "succeeded", USAGE)]
    assert len(world.product.asked) == 1


@pytest.mark.parametrize("shown", [True, False])
def test_no_call_follows_a_stream_whose_usage_nobody_stated(shown: bool) -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await world.dispatch()
        await begin(send, b"text/event-stream")
        await say(send, word("a", "tool_calls"), *([{"choices": [], "usage": USAGE}] if shown else []))
        if shown:
            await world.dispatch(messages=AFTER_TOOL)
            await say(send, word("b", "stop"), {"choices": [], "usage": LARGER})
        else:
            with pytest.raises(Refusal) as refused:
                await world.dispatch(messages=AFTER_TOOL)
            assert refused.value.body["error"]["code"] == "stream_not_supported"
            world.settlement.logged_failure(world.call)  # of the one that was refused
        world.settlement.logged_success(world.call, Logged(USAGE, None))
        await say(send, last=True)

    world = World(application)
    world.post(stream=True)
    second = [(".1", 0, "succeeded", LARGER)] if shown else []
    assert billed(world) == [("", 0, "succeeded", USAGE), *second]


def test_an_answer_that_litellm_throws_away_and_asks_for_again_is_billed_both_times() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await world.dispatch()
        world.call.raw_answer = json.dumps({"id": "1", "usage": USAGE})
        await world.dispatch()
        world.settlement.answered(world.call, Logged(LARGER, None, whole=True))
        await begin(send, b"application/json")
        await send({"type": "http.response.body", "body": b"{}"})

    world = World(application)
    world.post()
    assert billed(world) == [("", 0, "aborted", USAGE), (".1", 0, "succeeded", LARGER)]
