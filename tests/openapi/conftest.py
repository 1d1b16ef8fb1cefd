"""A world to ask about, on the fixed day."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from tests.kit.world import World, lasting_world

__all__ = ["lasting_world"]


@pytest.fixture
def world(lasting_world: World, db: None) -> Iterator[World]:
    """Requests as a server gets them, but on the connection of the test, which they must not close."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield lasting_world
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)
