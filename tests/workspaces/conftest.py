"""A fixed day, a workspace, and people in it; made through the product's own acts."""

import pytest

from tests.kit.factories import NOW
from tests.kit.people import acme
from tests.kit.tenants import TESTS
from workspaces.keys import issue
from workspaces.models import Workspace

__all__ = ["acme"]


@pytest.fixture
def sandbox(db: None) -> Workspace:
    return issue.create_workspace("Acme sandbox", "", TESTS, NOW, sandbox=True)


@pytest.fixture
def rival(db: None) -> Workspace:
    return issue.create_workspace("Rival", "", TESTS, NOW)
