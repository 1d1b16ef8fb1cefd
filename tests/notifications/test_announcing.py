"""What happened is written with what it tells of, once, and queued for those who want to know."""

import threading
from typing import Any

import pytest
from django.db import transaction

from metering.notifications.announce import announce
from metering.notifications.endpoints.change import change_webhook, delete_webhook
from metering.notifications.models import Notification, WebhookDelivery
from metering.notifications.types import CHOICES_OF_TYPES, NOTIFICATION_TYPES
from tests.kit.concurrent import all_succeed_at_once, at_once
from tests.kit.factories import NOW, make_workspace
from tests.notifications.cast import a_hook, tell
from workspaces.models import Workspace

pytestmark = pytest.mark.usefixtures("_private_addresses")
URL = "https://hooks.acme.example/omixa"


def queued() -> list[tuple[str, str]]:
    rows = WebhookDelivery.objects.order_by("endpoint_id", "pk")
    return list(rows.values_list("endpoint__description", "notification__type"))


def test_the_same_key_is_announced_once(acme: Workspace) -> None:
    assert [tell(acme), tell(acme), tell(acme, 2)] == [True, False, True]
    assert Notification.objects.count() == 2
    notified = Notification.objects.get(key="invoice.paid:1")
    assert (notified.workspace, notified.type, notified.data) == (acme, "invoice.paid", {"object": "invoice", "id": "inv_1"})
    assert notified.public_id.startswith("evt_")
    assert notified.created_at == NOW


def test_what_is_rolled_back_was_never_announced(acme: Workspace) -> None:
    a_hook(acme, URL)

    def fail() -> None:
        with transaction.atomic():
            tell(acme)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (Notification.objects.count(), WebhookDelivery.objects.count()) == (0, 0)
    assert tell(acme)


def test_an_unknown_type_is_a_bug(acme: Workspace) -> None:
    with pytest.raises(ValueError, match=r"'invoice\.payed' is not a type of notification"):
        announce(acme, "invoice.payed", "x", {}, NOW)


def test_each_type_has_a_sentence() -> None:
    assert len(NOTIFICATION_TYPES) == 23
    assert all(text.endswith(".") and text[0].isupper() for text in NOTIFICATION_TYPES.values())
    assert set(NOTIFICATION_TYPES) - set(CHOICES_OF_TYPES) == {"webhook.test"}


def test_those_are_notified_who_chose_the_type_or_all_of_them(acme: Workspace) -> None:
    a_hook(acme, URL, description="all")
    a_hook(acme, URL, description="paid", types=["invoice.paid"])
    a_hook(acme, URL, description="voided", types=["invoice.voided"])
    a_hook(make_workspace("Other"), URL, description="a stranger's")
    a_hook(None, URL, description="operators")
    off = a_hook(acme, URL, description="disabled")
    change_webhook(off.endpoint, {"status": "disabled"}, actor="ada@acme.example", now=NOW)
    tell(acme)
    assert queued() == [("all", "invoice.paid"), ("paid", "invoice.paid"), ("operators", "invoice.paid")]


def test_what_concerns_operators_only_reaches_no_customer(acme: Workspace) -> None:
    a_hook(acme, URL, description="all")
    a_hook(None, URL, description="operators")
    tell(None, type="usage.unaccounted")
    assert queued() == [("operators", "usage.unaccounted")]


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_announce_one_key_once() -> None:
    acme = make_workspace()
    a_hook(acme, URL)
    results = at_once(*[lambda: tell(acme)] * 8)
    assert sorted(results) == [False] * 7 + [True]
    assert (Notification.objects.count(), WebhookDelivery.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_deleting_a_webhook_meanwhile_does_not_fail_what_announces() -> None:
    """The deletion waits for the one that announced already; one that announces later does not see the webhook."""
    acme = make_workspace()
    hook = a_hook(acme, URL)
    announced, deleting = threading.Event(), threading.Event()

    def announcing() -> None:
        with transaction.atomic():
            tell(acme)
            announced.set()
            deleting.wait(10)
            tell(acme, 2)

    def deletion() -> None:
        announced.wait(10)
        threading.Timer(0.3, deleting.set).start()
        delete_webhook(hook.endpoint, actor="ada@acme.example", now=NOW)

    all_succeed_at_once(announcing, deletion)
    assert (Notification.objects.count(), WebhookDelivery.objects.count()) == (2, 0)


def test_a_reminder_is_sent_once_it_is_committed_and_only_if_somebody_wants_to_know(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("metering.notifications.announce.remind_soon", asked.append)
    tell(acme)
    a_hook(acme, URL)
    with transaction.atomic():
        tell(acme, 2)
        assert asked == []
    assert asked == ["metering.deliver_webhooks"]
