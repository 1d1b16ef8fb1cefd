"""Two gateways and two customers: whose word goes how far."""

import pytest

from tests.kit.factories import make_gateway, make_key, make_workspace
from workspaces.models import APIKey, Gateway


@pytest.fixture
def other(db: None) -> Gateway:
    return make_gateway("us-1")


@pytest.fixture
def birch(db: None) -> APIKey:
    """The key of another customer."""
    return make_key(make_workspace("Birch"))
