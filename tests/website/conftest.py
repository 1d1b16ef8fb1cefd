"""A workspace with people in every role, their browsers, and a stranger's workspace beside it. The day is NOW."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from tests.kit.factories import NOW, an_event, make_gateway, make_key, make_price, make_workspace, send
from workspaces.models import APIKey, Gateway, Membership, User, Workspace

Browser = Callable[[str], Client]


@dataclass
class Tenant:
    """A workspace with one live key."""

    workspace: Workspace
    key: APIKey


@pytest.fixture(autouse=True)
def _fixed_day() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme(db: None) -> Tenant:
    workspace = make_workspace("Acme", email="bills@acme.example")
    return Tenant(workspace, make_key(workspace, name="server"))


@pytest.fixture
def rival(db: None) -> Tenant:
    workspace = make_workspace("Rival")
    return Tenant(workspace, make_key(workspace, name="rival server"))


@pytest.fixture
def gateway(db: None) -> Gateway:
    return make_gateway()


@pytest.fixture
def codex_mini(db: None) -> None:
    make_price("codex-mini")


def person(workspace: Workspace | None, role: str, email: str = "") -> User:
    """A person with this role there, or without a workspace nowhere. No password: hashing one takes longer than a test."""
    user = User.objects.create_user(email or f"{role}@acme.example")
    if workspace is not None:
        Membership.objects.create(workspace=workspace, user=user, role=role)
    return user


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def as_role(acme: Tenant) -> Browser:
    """The browser of an Acme member with this role."""
    return lambda role: browser_of(person(acme.workspace, role))


@pytest.fixture
def owner(as_role: Browser) -> Client:
    return as_role("owner")


@pytest.fixture
def use(gateway: Gateway) -> Callable[..., list[str]]:
    """Sends one golden event of the key per instant, and returns their request ids."""
    numbers = iter(range(1, 10_000))

    def sent(key: APIKey, *instants: datetime, **overrides: Any) -> list[str]:
        named = [{"request_id": f"req-{next(numbers)}", "occurred_at": each.isoformat()} for each in instants]
        events = [an_event(key, **(one | overrides)) for one in named]
        batch = send(gateway, events)
        assert batch.recorded + batch.unpriced == len(events), batch.items
        return [event["request_id"] for event in events]

    return sent


def text_of(response: Any) -> str:
    return response.content.decode()


def words_of(response: Any) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", text_of(response), flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))
