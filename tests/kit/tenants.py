"""Workspaces with keys and a client for each, and events sent for them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from metering.ingest.models import Batch
from tests.kit.factories import NOW, an_event, send
from workspaces.keys import issue
from workspaces.models import APIKey, Gateway, Workspace

TESTS = "the tests"


@dataclass
class Tenant:
    """A workspace with a live key and an admin key, and a client for each."""

    workspace: Workspace
    key: APIKey
    secret: str
    admin_secret: str

    @property
    def admin(self) -> APIClient:
        return with_key(self.admin_secret)

    @property
    def live(self) -> APIClient:
        return with_key(self.secret)


def with_key(secret: str) -> APIClient:
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def a_tenant(name: str) -> Tenant:
    workspace = issue.create_workspace(name, "", TESTS, NOW)
    key, secret = issue.create_key(workspace, "live", "Server", TESTS, NOW)
    _, admin_secret = issue.create_key(workspace, "admin", "Back office", TESTS, NOW)
    return Tenant(workspace, key, secret, admin_secret)


def another_key(tenant: Tenant) -> tuple[APIKey, str]:
    return issue.create_key(tenant.workspace, "live", "Second", TESTS, NOW)


class Sender:
    """Sends golden events of a key, numbered requests unless stated otherwise."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.sent = 0

    def __call__(self, key: APIKey, *occurred_at: datetime, **overrides: Any) -> list[str]:
        """One event per instant, recorded the next second or at NOW; returns their request ids, all `recorded`."""
        events = [self.event(key, instant, **overrides) for instant in occurred_at]
        batch = self.batch(events, max(NOW, *occurred_at) + timedelta(seconds=1))
        assert (batch.recorded + batch.unpriced, batch.items if batch.rejected else []) == (len(events), [])
        return [event["request_id"] for event in events]

    def event(self, key: APIKey, occurred_at: datetime, **overrides: Any) -> dict[str, Any]:
        self.sent += 1
        named = {"request_id": f"req-{self.sent}", "provider": "azure-openai", "occurred_at": occurred_at.isoformat()}
        return an_event(key, **(named | overrides))

    def batch(self, events: list[dict[str, Any]], now: datetime = NOW) -> Batch:
        return send(self.gateway, events, now)


def usage_of(input: int, output: int) -> dict[str, int]:
    return {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}


def client_of(workspace: Workspace, kind: str = "admin") -> APIClient:
    _, secret = issue.create_key(workspace, kind, "Back office", "tests", NOW)
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def refusal(client: APIClient, query: Any, path: str = "/api/v1/usage") -> tuple[int, str, str | None]:
    answer = client.get(path, query)
    error = answer.json()["error"]
    assert error["message"]
    return answer.status_code, error["code"], error["param"]


@pytest.fixture
def acme(db: None) -> Tenant:
    return a_tenant("Acme")


@pytest.fixture
def rival(db: None) -> Tenant:
    return a_tenant("Rival")


@pytest.fixture(name="send")
def sender(gateway: Gateway) -> Sender:
    return Sender(gateway)
