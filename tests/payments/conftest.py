"""A Stripe on the loopback, and a workspace with an open invoice."""

from collections.abc import Iterator
from typing import Any

import pytest

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.payments.accounts.customers import ensure_customer
from metering.payments.models import PaymentAccount
from metering.payments.stripe import client
from metering.periods import parse_month
from tests.invoicing.conftest import Meter, tokens
from tests.kit.factories import NOW, make_gateway, make_key, make_price, make_workspace
from tests.payments.stripe_http import start
from tests.payments.stripe_server import GOOD, WEBHOOK_SECRET, StripeServer
from workspaces.models import Workspace


@pytest.fixture
def stripe(settings: Any) -> Iterator[StripeServer]:
    """Our own recording server, configured as Stripe."""
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


@pytest.fixture
def acme(db: None) -> Workspace:
    return make_workspace("Acme", email="bills@acme.example")


@pytest.fixture
def use(db: None) -> Meter:
    make_price()
    return Meter(make_gateway())


@pytest.fixture
def invoice(acme: Workspace, use: Meter) -> Invoice:
    """Open, with 150.00 due."""
    return an_invoice(acme, use)


def an_invoice(workspace: Workspace, use: Meter, month: str = "09", millions: int = 100) -> Invoice:
    """An open one of the month, at 1.50 a million."""
    use(make_key(workspace), f"{month}-14T10:00", usage=tokens(input=millions * 1_000_000))
    (made,) = close_workspaces(parse_month(f"2026-{month}"), NOW, workspace=workspace, finalize=True)
    assert made.status == "open"
    return made


def with_method(workspace: Workspace, server: StripeServer, method: str = GOOD) -> PaymentAccount:
    """The workspace has a customer at Stripe and a saved method that behaves as the named one."""
    account = ensure_customer(workspace, NOW)
    assert account.customer_id is not None
    account.method_id = server.save_method(account.customer_id, method)
    account.method_kind, account.brand, account.last_four = "card", "visa", "4242"
    account.save()
    return account
