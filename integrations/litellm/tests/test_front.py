"""Which requests reach LiteLLM, as what, and what of its answers reaches a client."""

import json

import pytest
from through_front import BODY, USAGE, World, answers


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


def test_nothing_runs_that_could_not_be_recorded() -> None:
    world = World(answers)
    world.spool.why = "the disk is full"
    seen = world.post()
    assert (seen.status, seen.code, world.scope) == (503, "usage_cannot_be_recorded", {})
