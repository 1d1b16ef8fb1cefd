"""The way of one request through the front, with an application in LiteLLM's place that does as a test says."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import in_a_loop
from omixa_litellm.calls import Calls, Logged
from omixa_litellm.front import Front
from omixa_litellm.holds import Holds
from omixa_litellm.keys import Key
from omixa_litellm.refusals import NoDecision, NotUnderstood
from omixa_litellm.settle import Settlement

USAGE = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
KEY = Key("key_1", "ws_1", frozenset(["m"]), prepaid=False)
ALLOWED = {"allowed": True, "hold_id": "hold_1", "remaining": "12.40", "binding": {"scope": "balance"}, "max_output_tokens": 9}
BODY = {"error": {"message": "Buy credit.", "type": "insufficient_quota", "code": "balance_used_up", "param": None}}


class Product:
    def __init__(self) -> None:
        self.decision: dict[str, Any] | NoDecision = ALLOWED
        self.asked: list[dict[str, Any]] = []
        self.released: list[tuple[str, str]] = []

    async def authorize(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        if isinstance(self.decision, NoDecision):
            raise self.decision
        return self.decision

    async def release(self, hold_id: str, reason: str) -> None:
        self.released.append((hold_id, reason))


class Keys:
    async def check(self, secret: str) -> Key:
        assert secret == "secret"
        return KEY


class Spool:
    def __init__(self) -> None:
        self.why: str | None = None

    def refusal(self) -> str | None:
        return self.why


@dataclass
class Seen:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


App = Callable[["World", dict[str, Any], Any, Any], Awaitable[None]]


class World:
    def __init__(self, application: App, hold: str = "always", when_unavailable: str = "postpaid") -> None:
        self.product, self.spool, self.events = Product(), Spool(), list[dict[str, Any]]()
        self.calls = Calls()
        self.scope: dict[str, Any] = {}
        holds = Holds(self.product, hold, when_unavailable)  # type: ignore[arg-type]
        self.settlement = Settlement(self.calls, self.events.append, holds.release, lambda text: len(text.split()))

        async def behind(scope: dict[str, Any], receive: Any, send: Any) -> None:
            self.scope = scope
            await application(self, scope, receive, send)

        self.front = Front(
            behind, Keys(), holds, self.calls, self.settlement, self.spool,  # type: ignore[arg-type]
            lambda text: len(text.split()), 1_000, frozenset(), lambda name: name != "openai/m", lambda: None,
        )  # fmt: skip

    def post(self, path: str = "/v1/chat/completions", method: str = "POST", kind: str = "http", **body: Any) -> Seen:
        sent = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a b c"}], **body}).encode()
        seen = Seen()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                seen.status, seen.headers = message["status"], dict(message["headers"])
            elif message["type"] == "http.response.body":
                seen.body += message.get("body", b"")
            else:
                seen.status = message["code"]

        headers = [(b"authorization", b"Bearer secret"), (b"X-LiteLLM-Call-Id", b"mine"), (b"x-kept", b"1")]
        scope = {"type": kind, "method": method, "path": path, "headers": headers, "query_string": b"a=b"}

        async def through() -> None:
            await self.front(scope, receive, send)
            await asyncio.sleep(0)

        in_a_loop(through())
        return seen

    @property
    def call(self) -> Any:
        (call,) = self.calls
        return call


async def answers(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """One attempt that succeeds, logged after the answer is out."""
    await receive()
    call = world.call
    world.settlement.dispatched(call, "acompletion", "openai", "openai/m")
    gossip = [
        (b"content-type", b"application/json"),
        (b"x-litellm-model-api-base", b"http://secret"),
        (b"x-ratelimit-limit", b"1"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": gossip})
    await send({"type": "http.response.body", "body": json.dumps({"usage": USAGE}).encode()})
    world.settlement.logged_success(call, Logged(USAGE, "default", False))


def stream(*events: dict[str, Any], after: str = "success") -> App:
    """A stream of these events, and then LiteLLM's log."""

    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        call = world.call
        world.settlement.dispatched(call, "acompletion", "openai", "openai/m")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in events:
            line = f"data: {json.dumps(event)}\n\n".encode()
            await send({"type": "http.response.body", "body": line[:7], "more_body": True})
            await send({"type": "http.response.body", "body": line[7:], "more_body": True})
        if after == "success":
            world.settlement.logged_success(call, Logged(USAGE, None, False))
        if after == "failure":
            world.settlement.logged_failure(call)
        if after != "left":
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return application


def word(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"service_tier": "priority", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def test_an_answer_is_one_event_under_our_id_and_tells_what_is_left() -> None:
    world = World(answers)
    seen = world.post()
    (event,) = world.events
    assert seen.headers[b"x-omixa-request-id"].decode() == event["request_id"] == world.product.asked[0]["request_id"]
    assert (seen.headers[b"x-omixa-remaining"], seen.headers[b"x-omixa-remaining-of"]) == (b"12.40", b"balance")
    assert {name: event[name] for name in ("attempt", "key_id", "model", "status", "usage", "service_tier")} == {
        "attempt": 0,
        "key_id": "key_1",
        "model": "m",
        "status": "succeeded",
        "usage": USAGE,
        "service_tier": "default",
    }
    assert (list(world.calls), world.product.released) == ([], [])


def test_neither_side_hears_what_is_not_meant_for_it() -> None:
    world = World(answers)
    seen = world.post()
    assert [name for name in seen.headers if b"litellm" in name or b"ratelimit" in name] == []
    passed = dict(world.scope["headers"])
    assert passed[b"x-litellm-call-id"].decode() == world.events[0]["request_id"]
    assert (passed[b"authorization"], passed[b"x-kept"], world.scope["query_string"]) == (b"Bearer key_1", b"1", b"")
    assert b"X-LiteLLM-Call-Id" not in passed


def test_the_prefix_of_the_model_pages_leads_to_the_same_route() -> None:
    world = World(answers)
    assert (world.post("/api/v1/chat/completions").status, world.scope["path"]) == (200, "/v1/chat/completions")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/model/info"),
        ("POST", "/v1/files"),
        ("POST", "/key/generate"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/../../key/generate"),
        ("POST", "/chat/completions"),
        ("GET", "/ui"),
        ("POST", "/openai/deployments/m/chat/completions"),
    ],
)
def test_there_is_no_other_route(method: str, path: str) -> None:
    world = World(answers)
    seen = world.post(path, method)
    assert (seen.status, seen.code, world.scope) == (404, "not_found", {})


def test_a_websocket_is_closed() -> None:
    world = World(answers)
    assert (world.post("/v1/responses", kind="websocket").status, world.scope) == (1008, {})


def test_a_refusal_is_the_products_own_in_openais_shape_and_in_anthropics() -> None:
    world = World(answers)
    world.product.decision = {"allowed": False, "error": {"status": 402, "body": BODY}, "retry_after": 60}
    seen = world.post()
    assert (seen.status, json.loads(seen.body), seen.headers[b"retry-after"]) == (402, BODY, b"60")
    assert json.loads(world.post("/v1/messages").body) == {"type": "error", **BODY}
    assert (world.scope, world.events) == ({}, [])


def test_a_model_that_the_key_may_not_use_asks_nobody() -> None:
    world = World(answers)
    seen = world.post(model="other")
    assert (seen.status, seen.code, world.product.asked) == (403, "model_not_allowed", [])


def test_a_name_that_is_no_public_model_asks_nobody() -> None:
    world = World(answers)
    seen = world.post(model="openai/m")
    assert (seen.status, seen.code, world.product.asked, world.scope) == (404, "model_not_found", [], {})


def test_what_the_rest_pays_for_is_what_the_provider_is_asked_for() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        world.events.append(json.loads((await receive())["body"]))

    world = World(application)
    world.post(max_tokens=100)
    assert world.events[0]["max_tokens"] == 9


@pytest.mark.parametrize(("policy", "status"), [("postpaid", 200), ("allow", 200), ("refuse", 503)])
def test_without_a_decision_the_operators_policy_speaks(policy: str, status: int) -> None:
    world = World(answers, when_unavailable=policy)
    world.product.decision = NoDecision("away")
    assert world.post().status == status
    assert len(world.events) == (status == 200)


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


def test_nothing_runs_that_could_not_be_recorded() -> None:
    world = World(answers)
    world.spool.why = "the disk is full"
    seen = world.post()
    assert (seen.status, seen.code, world.scope) == (503, "usage_cannot_be_recorded", {})


def test_a_hold_for_nothing_is_released() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    world = World(application)
    world.post()
    assert world.product.released == [("hold_1", "nothing was sent to a provider")]
    assert world.events == []


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


def test_a_stream_that_another_deployment_continues_is_two_attempts() -> None:
    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        call = world.call
        world.settlement.dispatched(call, "acompletion", "openai", "openai/m")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        first = f"data: {json.dumps(word('a b'))}\n\n".encode()
        await send({"type": "http.response.body", "body": first, "more_body": True})
        world.settlement.dispatched(call, "acompletion", "openai", "openai/m")
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})
        world.settlement.logged_success(call, Logged(USAGE, None, False))

    world = World(application)
    world.post(stream=True)
    assert [(event["attempt"], event["status"]) for event in world.events] == [(0, "aborted"), (1, "succeeded")]
    assert world.product.released == []
