"""A gateway, a customer's key, and the endpoint between them, on the fixed day."""

from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client

from tests.ingest.intake.endpoints import EVENTS, Post
from tests.kit.factories import NOW
from workspaces.keys import issue


@pytest.fixture
def _the_fixed_day() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def token(_the_fixed_day: None) -> str:
    return issue.create_gateway("eu-1", "test", NOW)[1]


@pytest.fixture
def post(client: Client, token: str) -> Post:
    def posted(body: bytes, **extra: Any) -> HttpResponse:
        headers = {"Authorization": f"Bearer {token}", **extra}
        return client.post(EVENTS, body, content_type="application/json", headers=headers)

    return posted
