"""The year that the reports are about."""

import pytest

from tests.kit.billing import Meter
from tests.kit.stripe_server import StripeServer
from tests.reports.story import Story
from workspaces.models import APIKey


@pytest.fixture
def story(key: APIKey, use: Meter, stripe: StripeServer) -> Story:
    return Story(key, use, stripe)
