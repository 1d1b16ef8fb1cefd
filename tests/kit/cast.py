"""The cast that most tests play with: a customer, its key, a gateway, a price, usage, an open invoice, and a Stripe.

tests/conftest.py offers them to every test. A folder whose customer is another one has a fixture of the same name.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from metering.catalogue.models import PriceVersion
from metering.invoicing.models import Invoice
from metering.payments.stripe import client
from tests.kit.billing import Meter, an_invoice
from tests.kit.factories import NOW, make_gateway, make_key, make_price, make_workspace
from tests.kit.stripe_http import start
from tests.kit.stripe_server import WEBHOOK_SECRET, StripeServer
from workspaces.models import APIKey, Gateway, Workspace


@pytest.fixture
def acme(db: None) -> Workspace:
    return make_workspace("Acme", email="bills@acme.example")


@pytest.fixture
def stopped_clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def gateway(db: None) -> Gateway:
    return make_gateway()


@pytest.fixture
def codex_mini(db: None) -> PriceVersion:
    """As its page prices it: 1.5 / 0.375 / 6 USD per million."""
    return make_price()


@pytest.fixture
def key(acme: Workspace, codex_mini: PriceVersion) -> APIKey:
    """A live key of Acme's, and a price for what it uses."""
    return make_key(acme)


@pytest.fixture
def use(gateway: Gateway, codex_mini: PriceVersion) -> Meter:
    return Meter(gateway)


@pytest.fixture
def invoice(acme: Workspace, use: Meter) -> Invoice:
    """Acme's September, open, with 150.00 due."""
    return an_invoice(acme, use)


@pytest.fixture
def stripe(settings: Any) -> Iterator[StripeServer]:
    """Our own recording server on the loopback, configured as Stripe."""
    server, http = start()
    settings.STRIPE_SECRET_KEY = "sk_test_tests"
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    settings.STRIPE_API_BASE = server.url
    settings.STRIPE_TIMEOUT_SECONDS = 1
    settings.STRIPE_MAX_RETRIES = 0
    client._edge.cache_clear()
    yield server
    http.shutdown()
    http.server_close()
