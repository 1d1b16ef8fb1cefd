"""The year that the reports are about."""

import pytest
from django.test import Client

from tests.kit.billing import Meter
from tests.kit.stripe_server import StripeServer
from tests.reports.story import Story
from workspaces.models import APIKey, User


@pytest.fixture
def story(key: APIKey, use: Meter, stripe: StripeServer) -> Story:
    return Story(key, use, stripe)


@pytest.fixture
def console(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("operator@omixa.example", "a long enough password", is_staff=True))
    return client
