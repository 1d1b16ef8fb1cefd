"""A program that manages Acme's keys."""

import pytest
from rest_framework.test import APIClient

from tests.kit.people import a_key
from tests.kit.tenants import with_key
from workspaces.models import Workspace


@pytest.fixture
def admin(acme: Workspace) -> APIClient:
    return with_key(a_key(acme, "admin", "Admin")[1])
