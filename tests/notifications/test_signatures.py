"""What a real server receives verifies with the receivers' own library, also while a secret is rotated."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from metering.notifications.delivery.signing import signed_headers
from metering.notifications.endpoints.change import MOST_SECRETS, rotate_webhook_secret
from metering.notifications.models import Notification, WebhookSecret
from tests.kit.receiver import Receiver
from tests.notifications.cast import Hook, send, tell, the_delivery
from workspaces.models import Workspace
from workspaces.sealed import SealBroken, seal, unseal

DAY = timedelta(days=1)


def test_the_specifications_own_example_is_signed_as_it_says() -> None:
    """Secret, id, timestamp and signature as the libraries of Standard Webhooks have them in their tests."""
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_request_is_what_the_specification_says(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    now = timezone.now()
    tell(acme, now=now)
    assert send(now) == {"delivered": 1, "failed": 0}
    [request] = receiver.received
    notified = Notification.objects.get()
    assert request.id == notified.public_id
    assert request.headers["webhook-timestamp"] == str(int(now.timestamp()))
    assert request.headers["content-type"] == "application/json"
    assert (
        json.loads(request.body)
        == request.verified(hook.secret)
        == {
            "type": "invoice.paid",
            "timestamp": now.isoformat().replace("+00:00", "Z"),
            "workspace_id": acme.public_id,
            "data": {"object": "invoice", "id": "inv_1"},
        }
    )


def test_a_secret_has_the_form_and_length_of_the_specification(hook: Hook) -> None:
    prefix, _, encoded = hook.secret.partition("_")
    assert prefix == "whsec"
    assert 24 <= len(base64.b64decode(encoded, validate=True)) <= 64


def test_another_secret_does_not_verify(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    now = timezone.now()
    tell(acme, now=now)
    send(now)
    with pytest.raises(WebhookVerificationError):
        receiver.received[0].verified("whsec_" + base64.b64encode(b"x" * 32).decode())


def test_while_a_secret_is_rotated_a_request_verifies_with_both_and_after_a_day_with_the_new_one(
    acme: Workspace, receiver: Receiver, hook: Hook
) -> None:
    now = timezone.now()
    new = rotate_webhook_secret(hook.endpoint, DAY, actor="ada@acme.example", now=now - DAY + timedelta(seconds=1))
    tell(acme, 1, now)
    send(now)
    tell(acme, 2, now)
    send(now + timedelta(seconds=1))
    both, later = receiver.received
    assert [len(each.headers["webhook-signature"].split(" ")) for each in (both, later)] == [2, 1]
    assert both.verified(hook.secret) == both.verified(new)
    assert later.verified(new)["data"]["id"] == "inv_2"
    with pytest.raises(WebhookVerificationError):
        later.verified(hook.secret)


def test_without_grace_the_old_secret_signs_nothing_more(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    now = timezone.now()
    new = rotate_webhook_secret(hook.endpoint, timedelta(0), actor="ada@acme.example", now=now)
    tell(acme, now=now)
    send(now)
    assert receiver.received[0].headers["webhook-signature"].count("v1,") == 1
    receiver.received[0].verified(new)


def test_a_request_has_at_most_five_signatures(hook: Hook) -> None:
    now = timezone.now()
    for _ in range(8):
        rotate_webhook_secret(hook.endpoint, DAY, actor="ada@acme.example", now=now)
    assert hook.endpoint.secrets.count() == MOST_SECRETS == 5
    assert WebhookSecret.objects.filter(endpoint=hook.endpoint, expires_at__isnull=True).count() == 1


def test_no_secret_lies_open_in_the_database(hook: Hook) -> None:
    sealed = WebhookSecret.objects.get().sealed
    assert hook.secret not in sealed
    assert hook.secret.removeprefix("whsec_")[:12] not in sealed
    assert unseal(sealed) == hook.secret


def test_a_secret_sealed_with_a_former_secret_key_opens_while_that_is_named(settings: Any) -> None:
    settings.SECRET_KEY = "former"
    sealed = seal("whsec_x")
    settings.SECRET_KEY = "present"
    with pytest.raises(SealBroken):
        unseal(sealed)
    settings.SECRET_KEY_FALLBACKS = ["former"]
    assert unseal(sealed) == "whsec_x"


def test_a_delivery_that_cannot_be_signed_fails_and_says_what_to_do(
    acme: Workspace,
    receiver: Receiver,
    hook: Hook,
    settings,  # type: ignore[no-untyped-def]
) -> None:
    tell(acme)
    settings.SECRET_KEY = "another"
    assert send() == {"delivered": 0, "failed": 1}
    assert the_delivery().error == "Its secret cannot be read: rotate it."
    assert receiver.received == []
