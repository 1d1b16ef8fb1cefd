"""A Stripe on the loopback, and a workspace with an open invoice."""

from collections.abc import Iterator
from typing import Any

import pytest

from metering.payments import stripe_edge
from tests.payments.stripe_server import WEBHOOK_SECRET, StripeServer, start


@pytest.fixture
def stripe(settings: Any) -> Iterator[StripeServer]:
    """Our own recording server, configured as Stripe."""
    server, http = start()
    settings.STRIPE_SECRET_KEY = "sk_test_tests"
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    settings.STRIPE_API_BASE = server.url
    settings.STRIPE_TIMEOUT_SECONDS = 1
    settings.STRIPE_MAX_RETRIES = 0
    stripe_edge._edge.cache_clear()
    yield server
    http.shutdown()
    http.server_close()
