"""A client of Anthropic's that speaks for the workspace, and the plain one that shows what is on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rest_framework.test import APIClient

from tests.kit.foreign import anthropic_client
from tests.kit.tenants import Tenant

if TYPE_CHECKING:
    import anthropic


@pytest.fixture
def claude(acme: Tenant) -> anthropic.Anthropic:
    return anthropic_client(acme.admin_secret)


@pytest.fixture
def plain(acme: Tenant) -> Any:
    """As curl does it."""
    return APIClient(headers={"x-api-key": acme.admin_secret, "anthropic-version": "2023-06-01"})
