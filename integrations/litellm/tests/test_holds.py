"""What is asked before a provider is called, how much it may write, and what runs without an answer."""

import json
from typing import Any

import pytest
from omixa_litellm.calls import Logged
from omixa_litellm.refusals import NoDecision, NotUnderstood
from through_front import ALLOWED, USAGE, World, answers


@pytest.mark.parametrize(
    ("asked", "passed_on"),
    [
        ({"max_tokens": 100}, {"max_tokens": 9}),
        ({"max_tokens": 3, "n": 4}, {"max_tokens": 2, "n": 4}),
        ({"max_tokens": 2, "n": 4}, {"max_tokens": 2, "n": 4}),
        ({"n": 4}, {"max_completion_tokens": 2, "n": 4}),
        ({}, {"max_completion_tokens": 9}),
    ],
)
def test_no_more_is_asked_of_the_provider_than_what_is_held(asked: dict[str, int], passed_on: dict[str, int]) -> None:
    world = World(keeps_the_body)
    world.post(**asked)
    assert limits_in(world.events[0]) == passed_on


@pytest.mark.parametrize(
    ("writes_at_most", "choices", "passed_on"), [(9, 1, {}), (2, 4, {"n": 4}), (3, 4, {"max_completion_tokens": 2, "n": 4})]
)
def test_a_model_that_writes_no_more_than_what_is_held_is_told_nothing(
    writes_at_most: int, choices: int, passed_on: dict[str, int]
) -> None:
    world = World(keeps_the_body)
    world.writes_at_most = writes_at_most
    world.post(**({} if choices == 1 else {"n": choices}))
    assert limits_in(world.events[0]) == passed_on


def test_where_no_limit_can_be_exceeded_the_provider_is_told_nothing() -> None:
    world = World(keeps_the_body)
    world.product.decision = {**ALLOWED, "binding": None}
    world.post(n=4)
    assert limits_in(world.events[0]) == {"n": 4}


async def keeps_the_body(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
    world.events.append(json.loads((await receive())["body"]))


def limits_in(body: dict[str, Any]) -> dict[str, int]:
    return {name: body[name] for name in ("max_tokens", "max_completion_tokens", "n") if name in body}


@pytest.mark.parametrize(("policy", "status"), [("postpaid", 200), ("allow", 200), ("refuse", 503)])
def test_without_a_decision_the_operators_policy_speaks(policy: str, status: int) -> None:
    world = World(answers, when_unavailable=policy)
    world.product.decision = NoDecision("away")
    assert world.post().status == status
    assert len(world.events) == (status == 200)


REFUSED = {"allowed": False, "reason": "budget_reached", "message": "", "error": {"status": 429, "body": {}}}


@pytest.mark.parametrize(
    ("later", "held"), [(ALLOWED, "hold_1"), (REFUSED, None), (NotUnderstood("authorize: status 400"), None)]
)
def test_what_runs_without_a_decision_is_held_once_the_product_answers(later: Any, held: str | None) -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        call = world.call
        world.settlement.dispatched(call, "acompletion", "openai", "openai/m")
        await world.holds.hold_afterwards(call)
        assert (call.hold_id, len(world.product.asked)) == (None, 2)
        world.product.decision = later
        for _ in range(2):
            await world.holds.hold_afterwards(call)
            assert (call.hold_id, len(world.product.asked)) == (held, 3)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
        world.settlement.logged_success(call, Logged(USAGE, "default", False))

    world = World(application)
    world.product.decision = NoDecision("away")
    assert world.post().status == 200
    assert [each["request_id"] for each in world.product.asked] == [world.events[0]["request_id"]] * 3
    assert world.product.released == []


def test_a_hold_that_comes_after_the_end_of_its_request_is_released() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        call = world.call
        await answers(world, scope, receive, send)
        world.product.decision = ALLOWED
        await world.holds.hold_afterwards(call)

    world = World(application)
    world.product.decision = NoDecision("away")
    world.post()
    assert (len(world.events), world.product.released) == (1, [("hold_1", "ended before it was held")])


@pytest.mark.parametrize("policy", ["postpaid", "allow", "refuse"])
def test_a_question_that_the_product_refuses_is_no_absence_of_the_product(policy: str) -> None:
    world = World(answers, when_unavailable=policy)
    world.product.decision = NotUnderstood("authorize: status 400")
    seen = world.post()
    assert (seen.status, seen.code, world.scope, world.events) == (400, "request_not_understood", {}, [])


def test_numbers_are_asked_about_as_far_as_the_product_counts() -> None:
    world = World(answers)
    world.post(max_completion_tokens=2**31 - 1, n=2)
    assert world.product.asked[0]["max_output_tokens"] == 2**31 - 1


def test_a_hold_for_nothing_is_released() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    world = World(application)
    world.post()
    assert world.product.released == [("hold_1", "nothing was sent to a provider")]
    assert world.events == []


@pytest.mark.parametrize(("reads_at_most", "tokens"), [(None, 128_000), (272_000, 272_000)])
def test_what_the_provider_keeps_of_an_earlier_response_is_held_for_as_all_that_its_model_reads(
    reads_at_most: int | None, tokens: int
) -> None:
    world = World(answers)
    world.reads_at_most = reads_at_most
    world.post("/v1/responses", input="a", previous_response_id="resp_1")
    assert world.product.asked[0]["input_tokens"] == tokens
