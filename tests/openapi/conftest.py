"""A world to ask about, on the fixed day."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from pytest_django.plugin import DjangoDbBlocker

from tests.kit.world import World, made_for_long


@pytest.fixture(scope="module")
def lasting_world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """For the tests of a file: those of others make a world of their own."""
    with made_for_long(django_db_blocker) as found:
        yield found


@pytest.fixture
def world(lasting_world: World, db: None) -> Iterator[World]:
    """Requests as a server gets them, but on the connection of the test, which they must not close."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield lasting_world
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)
