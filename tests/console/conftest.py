"""An operator at the console, on a fixed day, and a small world to look at."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine
from django.test import Client

from metering.ingest.models import Batch
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.periods import parse_month
from omixa_billing.celery import app
from tests.kit.factories import NOW, an_event, make_gateway, make_key, make_price, make_workspace, send
from workspaces.keys import issue
from workspaces.members import members
from workspaces.models import APIKey, Gateway, User, Workspace

OPERATOR = "operator@omixa.example"


@pytest.fixture(autouse=True)
def _the_day(db: None) -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def operator() -> User:
    return User.objects.create_user(OPERATOR, "a long enough password", is_staff=True)


@pytest.fixture
def console(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def customer(db: None) -> Client:
    """A person who is signed in and no operator."""
    client = Client()
    user = User.objects.create_user("owner@acme.example", "a long enough password")
    client.force_login(user)
    return client


def sent_tasks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The tasks that requests send from now on, with their arguments. Reminders go by a thread of their own, at any time."""
    sent: list[tuple[str, Any]] = []

    def record(name: str, **more: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            sent.append((name, more.get("kwargs")))

    monkeypatch.setattr(app, "send_task", record)
    return sent


@dataclass(frozen=True)
class World:
    acme: Workspace
    sandbox: Workspace
    key: APIKey
    test_key: APIKey
    gateway: Gateway
    batch: Batch
    invoice: Invoice


@pytest.fixture
def world(db: None) -> World:
    """Acme: two golden events today, one yesterday, one on 2 September, one without a price, a conflict and a rejection.

    The sandbox: one golden event today. A batch waits. Acme's September is a draft of one golden event.
    """
    make_price()
    acme, sandbox = make_workspace("Acme", email="billing@acme.example"), make_workspace("Playground", sandbox=True)
    key, test_key, gateway = make_key(acme), make_key(sandbox, "test"), make_gateway()
    members.add_member(acme, "owner@acme.example", "owner", "a test", NOW)
    events = [
        an_event(key, request_id="today-1", metadata={"team": "search"}, provider="azure", stream=True, latency_ms=1200),
        an_event(key, request_id="today-2"),
        an_event(key, request_id="yesterday", occurred_at="2026-10-14T23:59:59.999999Z"),
        an_event(key, request_id="september", occurred_at="2026-09-02T10:00:00Z"),
        an_event(key, request_id="mystery", model="mystery-1"),
        an_event(key, request_id="today-1", usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}),
        an_event(key, request_id="negative", usage={"prompt_tokens": -1, "completion_tokens": 1, "total_tokens": 0}),
        an_event(test_key, request_id="sandboxed"),
    ]
    batch = send(gateway, events)
    send(gateway, [an_event(key, request_id="later")], process=False)
    invoice = close_workspaces(parse_month("2026-09"), NOW, workspace=acme)[0]
    issue.rename_key(key, "production", "a test", NOW)
    return World(acme, sandbox, key, test_key, gateway, batch, invoice)
