"""A program of Acme's that asks about its invoices."""

import pytest
from rest_framework.test import APIClient

from tests.kit.tenants import client_of
from workspaces.models import Workspace


@pytest.fixture
def admin(acme: Workspace) -> APIClient:
    return client_of(acme)
