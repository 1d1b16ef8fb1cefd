"""A workspace that pays by a saved method, and Stripe's events."""

from typing import Any

from django.test import Client

from metering.payments.accounts.customers import ensure_customer
from metering.payments.models import PaymentAccount
from metering.payments.webhooks.models import WebhookEvent
from tests.kit.factories import NOW
from tests.kit.stripe_server import GOOD, StripeServer
from workspaces.models import Workspace


def with_method(workspace: Workspace, server: StripeServer, method: str = GOOD) -> PaymentAccount:
    """The workspace has a customer at Stripe and a saved method that behaves as the named one."""
    account = ensure_customer(workspace, NOW)
    assert account.customer_id is not None
    account.method_id = server.save_method(account.customer_id, method)
    account.method_kind, account.brand, account.last_four = "card", "visa", "4242"
    account.save()
    return account


def send_event(stripe: StripeServer, kind: str, about: dict[str, Any]) -> WebhookEvent:
    event = stripe.event(kind, about)
    assert deliver(*stripe.signed(event)).json() == {"received": True, "new": True}
    return WebhookEvent.objects.get(event_id=event["id"])


WEBHOOKS = "/webhooks/stripe"


def deliver(body: bytes, signature: str) -> Any:
    return Client().post(WEBHOOKS, body, content_type="application/json", headers={"Stripe-Signature": signature})
