"""Whatever is refused at these addresses, and wherever, is said in the shape that the product's own clients read."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from redis import Redis

from metering.compatible import views
from omixa_billing.front import refusals
from omixa_billing.front.head import RequestHead
from tests.kit.billing import at
from tests.kit.limits import counting, redis_socket
from tests.kit.tenants import Sender, Tenant
from workspaces import downloads
from workspaces.models import AuditEntry

__all__ = ["counting", "redis_socket"]
pytestmark = pytest.mark.django_db
OPENAI, OPENROUTER = "/v1/organization/costs", "/compat/openrouter/api/v1/credits"
ANTHROPIC = "/compat/anthropic/v1/organizations/cost_report"
TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def check(path: str, answer: HttpResponse, status: int) -> None:
    body = json.loads(answer.content)
    assert answer.status_code == status, body
    assert body["error"]["message"]
    if path.startswith("/compat/openrouter/"):
        assert body["error"]["code"] == status
        assert set(body["error"]) == {"code", "message", "metadata"}
    elif path.startswith("/compat/anthropic/"):
        assert body["type"] == "error"
        assert set(body["error"]) == {"type", "message"}
    else:
        assert set(body["error"]) == {"message", "type", "code", "param"}
    if status in TYPES and not path.startswith("/compat/openrouter/"):
        assert body["error"]["type"] == TYPES[status]


@pytest.mark.parametrize("path", [OPENAI, OPENROUTER, ANTHROPIC])
def test_each_refusal_has_the_shape_of_its_address(acme: Tenant, path: str) -> None:
    key = {"Authorization": f"Bearer {acme.admin_secret}", "anthropic-version": "2023-06-01"}
    client = Client(headers=key, raise_request_exception=False)
    check(path, Client().get(path), 401)
    check(path, Client(headers={"Authorization": "Bearer omx_admin_none"}).get(path), 401)
    check(path, client.get(path, {"unknown": 1}), 400)
    check(path, client.get(path, {"page": "a\x00b"}), 400)
    check(path, client.get(f"{path}/nothing"), 404)
    check(path, client.get(f"{path}/a%00b"), 404)
    check(path, client.get(path, headers={"host": "evil.example"}), 400)
    check(path, client.get(f"{path}?" + "&".join(f"models={number}" for number in range(2_000))), 400)
    for method in ("post", "put", "patch", "delete"):
        check(path, getattr(client, method)(path), 405)


@pytest.mark.parametrize("path", [OPENAI, OPENROUTER, ANTHROPIC])
def test_too_many_requests_are_refused_as_on_the_api(counting: Redis, acme: Tenant, settings: Any, path: str) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "pages": "50/m"}
    said = {"anthropic-version": "2023-06-01"} | (
        {"x-api-key": acme.admin_secret} if path == ANTHROPIC else {"Authorization": f"Bearer {acme.admin_secret}"}
    )
    answers = [Client(headers=said).get(path, {"starting_at": "2026-10-14T00:00:00Z"}) for _ in range(6)]
    assert {answer.status_code for answer in answers[:5]} <= {200, 400}
    check(path, answers[5], 429)
    assert answers[5]["RateLimit-Policy"] == "5;w=60"
    strangers = [Client(REMOTE_ADDR="192.0.2.7").get(path) for _ in range(4)]
    assert [answer.status_code for answer in strangers] == [401, 401, 401, 429]


@pytest.mark.parametrize("path", [OPENAI, OPENROUTER, ANTHROPIC])
def test_what_the_front_refuses_has_it_too(path: str) -> None:
    plain = {"type": "http", "method": "GET", "scheme": "http", "http_version": "1.1", "query_string": b"", "headers": []}
    peers = {"client": ("127.0.0.1", 1), "server": ("localhost", 80)}
    answer = refusals.pages_away(RequestHead({**plain, **peers, "path": path, "raw_path": path.encode()}))
    check(path, HttpResponse(answer.body, status=answer.status), 503)


def test_a_refused_key_in_either_header_is_one_entry_of_the_trail(acme: Tenant) -> None:
    key = acme.secret[:-1] + ("A" if acme.secret[-1] != "A" else "B")
    for _ in range(2):
        assert Client(headers={"x-api-key": key}).get(ANTHROPIC).status_code == 401
        assert Client(headers={"Authorization": f"Bearer {key}"}).get(ANTHROPIC).status_code == 401
    assert AuditEntry.objects.filter(action="credential.refused").count() == 1


def test_their_header_of_a_key_counts_at_their_addresses_alone(acme: Tenant) -> None:
    client = Client(headers={"x-api-key": acme.admin_secret, "anthropic-version": "2023-06-01"})
    assert client.get(ANTHROPIC, {"starting_at": "2026-10-14T00:00:00Z"}).status_code == 200
    for path in ("/api/v1/key", OPENAI, OPENROUTER):
        assert client.get(path).status_code == 401


def test_many_events_are_read_within_the_limits_of_downloads(
    acme: Tenant, send: Sender, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many rows would be: who asks for them by the dozen keeps no worker from the others."""
    send(acme.key, at("10-14T09:00"), at("10-14T09:01"))
    settings.DOWNLOADS_PER_CALLER = 0
    monkeypatch.setattr(views, "EVENTS_OF_A_ROW", 1)
    monkeypatch.setattr(views, "FEW_ROWS", 1)
    monkeypatch.setattr(downloads, "FEW_ROWS", 1)
    day = {"start_time": int(at("10-14T00:00").timestamp()), "end_time": int(at("10-15T00:00").timestamp())}
    by_user, by_model = {"group_by": "user_id"}, {"group_by": "model"}
    refused = acme.admin.get("/v1/organization/usage/completions", day | by_user)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_downloads")
    assert refused["Retry-After"] == "5"
    assert acme.admin.get("/v1/organization/usage/completions", day | by_model).status_code == 200
    settings.DOWNLOADS_PER_CALLER = 1
    found = acme.admin.get("/v1/organization/usage/completions", day | by_user).json()
    assert found["data"][0]["results"][0]["num_model_requests"] == 2
