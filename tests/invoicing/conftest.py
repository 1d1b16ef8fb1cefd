"""A program of Acme's that asks about its invoices, and the minimum that they have outside tests."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.kit.tenants import client_of
from workspaces.models import Workspace


@pytest.fixture
def admin(acme: Workspace) -> APIClient:
    return client_of(acme)


@pytest.fixture
def usual_minimum(settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
