"""Two gateways and two customers: whose word goes how far."""

import pytest

from tests.kit.factories import make_gateway, make_key, make_price, make_workspace
from workspaces.models import APIKey, Gateway


@pytest.fixture
def gateway(db: None) -> Gateway:
    return make_gateway()


@pytest.fixture
def other(db: None) -> Gateway:
    return make_gateway("us-1")


@pytest.fixture
def key(db: None) -> APIKey:
    make_price()
    return make_key(make_workspace())


@pytest.fixture
def birch(db: None) -> APIKey:
    """The key of another customer."""
    return make_key(make_workspace("Birch"))
