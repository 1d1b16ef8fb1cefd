"""What the tests of alerts share."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from tests.alerts.github import GitHub, running_github
from tests.kit.days import fixed_day
from tests.kit.factories import make_key, make_price
from workspaces.models import APIKey, Workspace

__all__ = ["fixed_day"]


@pytest.fixture
def github(db: None, settings: Any) -> Iterator[GitHub]:
    with running_github() as found:
        settings.SECRET_SCANNING_KEYS_URL = found.url
        cache.clear()
        yield found


@pytest.fixture
def key(acme: Workspace) -> APIKey:
    """A live key of Acme's; a dollar for a million tokens of input."""
    make_price(input="1", output="10")
    return make_key(acme)
