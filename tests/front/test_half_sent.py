"""Requests whose heads or bodies do not end: they cost a socket and a timer, and nobody else anything."""

import pytest

from tests.front.callers import Answer, Caller, ask, head, many
from tests.front.conftest import Live
from tests.front.everyday import all_is_answered
from workspaces.keys.secrets import new_secret

MORE_THAN_THREADS = 34  # that is 2 processes of 16, and two more: what stopped everything once
UNKNOWN_GATEWAY, UNKNOWN_KEY = new_secret("gateway"), new_secret("admin")

# An address that reads a body, and the credential that it is sent with.
ENDPOINTS = {
    "events with a token that could not be one": ("/gateway/v1/events", "Bearer nonsense"),
    "events with an unknown token": ("/gateway/v1/events", f"Bearer {UNKNOWN_GATEWAY}"),
    "events": ("/gateway/v1/events", "Bearer {token}"),
    "corrections without a token": ("/gateway/v1/corrections", ""),
    "corrections": ("/gateway/v1/corrections", "Bearer {token}"),
    "LiteLLM with an unknown token": ("/gateway/v1/events/litellm", f"Bearer {UNKNOWN_GATEWAY}"),
    "LiteLLM": ("/gateway/v1/events/litellm", "Bearer {token}"),
    "sign-in": ("/accounts/login/", ""),
    "console sign-in": ("/admin/login/", ""),
    "Stripe's webhook": ("/webhooks/stripe", ""),
    "GitHub's report": ("/secret-scanning", ""),
    "API without a key": ("/api/v1/keys", ""),
    "API with a key that could not be one": ("/api/v1/keys", "Bearer omx_admin_nonsense"),
    "API with an unknown key": ("/api/v1/keys", f"Bearer {UNKNOWN_KEY}"),
    "API": ("/api/v1/keys", "Bearer {admin_key}"),
}


def half_sent(live: Live, name: str, length: int = 100_000) -> bytes:
    path, authorization = ENDPOINTS[name]
    authorization = authorization.format(token=live.token, admin_key=live.admin_key)
    headers = {"Content-Length": str(length), "Content-Type": "application/json"}
    return head("POST", path, **headers, **({"Authorization": authorization} if authorization else {})) + b"{"


@pytest.mark.parametrize("name", ENDPOINTS)
def test_bodies_that_do_not_come_stop_nobody_else(live: Live, name: str) -> None:
    with many(live.port, MORE_THAN_THREADS, lambda _: half_sent(live, name)) as callers:
        all_is_answered(live)
        for caller in callers[::8]:
            answer = caller.read_answer()
            assert answer.status in (401, 408)
            assert answer.headers["connection"] == "close"
            assert caller.is_ended()


@pytest.mark.parametrize("name", [name for name in ENDPOINTS if "gateway" in ENDPOINTS[name][0] or "could not" in name])
def test_a_credential_is_refused_before_the_body_has_come(live: Live, name: str) -> None:
    _, authorization = ENDPOINTS[name]
    with Caller(live.port) as caller:
        caller.send(half_sent(live, name))
        answer = caller.read_answer()
    known = authorization == "Bearer {token}"
    assert answer.status == (408 if known else 401)
    assert answer.error["code"] == ("body_too_slow" if known else "invalid_credential")


def test_a_body_below_the_least_rate_is_refused_in_json(live: Live) -> None:
    with Caller(live.port) as caller:
        caller.send(half_sent(live, "events"))
        answer = drip(caller)
    assert answer.status == 408
    assert answer.error == {
        "message": "The body came too slowly: nothing was stored, send it again.",
        "type": "invalid_request_error",
        "code": "body_too_slow",
        "param": None,
    }


def test_a_body_that_never_ends_is_refused_at_its_bound(live: Live) -> None:
    with Caller(live.port) as caller:
        caller.send(
            head("POST", "/gateway/v1/events", **{"Authorization": f"Bearer {live.token}", "Transfer-Encoding": "chunked"})
        )
        piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        for _ in range(81):
            caller.send(piece)
        answer = caller.read_answer()
    assert (answer.status, answer.error["code"]) == (413, "batch_too_large")


def test_a_body_that_is_too_large_is_refused_so_that_its_sender_hears_it(live: Live) -> None:
    size = 6 * 2**20
    answer = ask(live.port, "POST", "/gateway/v1/events", b" " * size, Authorization=f"Bearer {live.token}")
    assert (answer.status, answer.error["code"]) == (413, "batch_too_large")
    answer = ask(live.port, "POST", "/gateway/v1/events", b" " * size, Authorization="Bearer nonsense")
    assert (answer.status, answer.error["code"]) == (401, "invalid_credential")


@pytest.mark.parametrize("sent", [b"", b"P", b"PRI * HT", b"POST /gateway/v1/events HTTP/1.1\r\nHost: a\r\n"])
def test_a_head_that_never_ends_ends_the_connection(live: Live, sent: bytes) -> None:
    with many(live.port, MORE_THAN_THREADS, lambda _: sent) as callers:
        all_is_answered(live)
        assert callers[0].is_ended()


def drip(caller: Caller) -> Answer:
    """A byte now and then until there is an answer."""
    caller.socket.settimeout(0.5)
    while True:
        try:
            return caller.read_answer()
        except TimeoutError:
            caller.send(b" ")
