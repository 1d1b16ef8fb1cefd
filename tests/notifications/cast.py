"""What the tests of notifications share: a receiver that may be sent to, a webhook to it, and short ways to tell and send."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from metering.notifications.announce import announce
from metering.notifications.delivery.deliver import deliver_due
from metering.notifications.endpoints.change import create_webhook
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from tests.kit.factories import NOW
from tests.kit.receiver import Receiver, receiving
from workspaces.models import Workspace


@pytest.fixture
def _private_addresses(settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = True


@pytest.fixture
def receiver(_private_addresses: None) -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@dataclass
class Hook:
    endpoint: WebhookEndpoint
    secret: str

    def now(self) -> WebhookEndpoint:
        self.endpoint.refresh_from_db()
        return self.endpoint


@pytest.fixture
def hook(acme: Workspace, receiver: Receiver) -> Hook:
    """Acme's webhook to the receiver, for everything."""
    return a_hook(acme, receiver.url)


def a_hook(workspace: Workspace | None, url: str, now: datetime = NOW, **more: Any) -> Hook:
    return Hook(*create_webhook(workspace, url, actor="ada@acme.example", now=now, **more))


def tell(workspace: Workspace | None, number: int = 1, now: datetime = NOW, type: str = "invoice.paid") -> bool:
    return announce(workspace, type, f"{type}:{number}", {"object": "invoice", "id": f"inv_{number}"}, now)


def send(now: datetime = NOW) -> dict[str, int]:
    return deliver_due(lambda: now)


def the_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.select_related("notification", "endpoint").get()
