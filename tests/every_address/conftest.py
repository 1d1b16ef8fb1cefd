"""The world of the API's tests, with an owner and an operator who look at its pages."""

import pytest
from django.test import Client

from tests.openapi.world import World, a_world
from tests.usage.conftest import fixed_day
from workspaces.models import Membership, User, Workspace

__all__ = ["fixed_day"]


@pytest.fixture
def world(db: None) -> World:
    found = a_world()
    owner = User.objects.create_user("owner@acme.example", "a long enough password")
    Membership.objects.create(workspace=Workspace.objects.get(name="Acme"), user=owner, role="owner")
    User.objects.create_user("operator@omixa.example", "a long enough password", is_staff=True)
    return found


def browser_of(address: str | None) -> Client:
    """Of the person with this address, or of a stranger. An error of ours is the 500 that a browser would get."""
    client = Client(raise_request_exception=False)
    if address is not None:
        client.force_login(User.objects.get(email=address))
    return client


@pytest.fixture
def stranger(world: World) -> Client:
    return browser_of(None)


@pytest.fixture
def owner(world: World) -> Client:
    return browser_of("owner@acme.example")


@pytest.fixture
def operator(world: World) -> Client:
    return browser_of("operator@omixa.example")
