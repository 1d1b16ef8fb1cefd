"""A workspace with people in every role, their browsers, and a stranger's workspace beside it. The day is NOW."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from metering.catalogue.models import PriceVersion
from metering.invoicing.models import Invoice
from tests.kit.billing import Meter, an_invoice
from tests.kit.days import fixed_day
from tests.kit.factories import an_event, make_key, make_workspace, send
from tests.kit.people import Browser, browser_of, person
from workspaces.models import APIKey, Gateway, Workspace

__all__ = ["fixed_day"]


@dataclass
class Tenant:
    """A workspace with one live key."""

    workspace: Workspace
    key: APIKey


@pytest.fixture
def acme(db: None) -> Tenant:
    workspace = make_workspace("Acme", email="bills@acme.example")
    return Tenant(workspace, make_key(workspace, name="server"))


@pytest.fixture
def rival(db: None) -> Tenant:
    workspace = make_workspace("Rival")
    return Tenant(workspace, make_key(workspace, name="rival server"))


@pytest.fixture
def as_role(acme: Tenant) -> Browser:
    """The browser of an Acme member with this role."""
    return lambda role: browser_of(person(acme.workspace, role))


@pytest.fixture
def owner(as_role: Browser) -> Client:
    return as_role("owner")


@pytest.fixture
def admin(as_role: Browser) -> Client:
    return as_role("admin")


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


@pytest.fixture
def meter(gateway: Gateway, codex_mini: PriceVersion) -> Meter:
    return Meter(gateway)


@pytest.fixture
def invoice(acme: Tenant, meter: Meter) -> Invoice:
    """Acme's September, open, with 150.00 due on 29 October."""
    return an_invoice(acme.workspace, meter)
