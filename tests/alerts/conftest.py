"""What the tests of alerts share."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from tests.alerts.github import GitHub, running_github
from tests.kit.days import fixed_day

__all__ = ["fixed_day"]


@pytest.fixture
def github(db: None, settings: Any) -> Iterator[GitHub]:
    with running_github() as found:
        settings.SECRET_SCANNING_KEYS_URL = found.url
        cache.clear()
        yield found
