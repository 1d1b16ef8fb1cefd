"""Webhooks in the console: the operators' own are managed there, workspaces' are looked at, and so is what was sent."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from metering.doctor import work
from metering.notifications.endpoints.change import create_webhook
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from tests.console.conftest import OPERATOR
from tests.kit.factories import NOW, make_workspace
from tests.kit.receiver import Receiver, Reply
from tests.notifications.cast import _private_addresses, receiver, send, tell
from workspaces.models import AuditEntry

__all__ = ["_private_addresses", "receiver"]
LIST, SENT = (reverse(f"admin:metering_webhook{each}_changelist") for each in ("endpoint", "delivery"))
ADD = reverse("admin:metering_webhookendpoint_add")
TOKEN = re.compile(r'name="(form_token)" value="([^"]+)"')
SECRET = re.compile(r"whsec_[0-9A-Za-z+/=]{44}")
URL = "https://ops.omixa.example/hooks"


def act_of(webhook: WebhookEndpoint, act: str) -> str:
    return reverse(f"admin:metering_webhookendpoint_{act}", args=[webhook.pk])


def words(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def submit(console: Client, page: str, **fields: Any) -> Any:
    token = dict(TOKEN.findall(console.get(page).content.decode()))
    return console.post(page, token | fields)


@pytest.fixture
def own(console: Client) -> WebhookEndpoint:
    submit(console, ADD, url=URL, description="Pager", types=["invoice.past_due"])
    return WebhookEndpoint.objects.get()


def test_an_operator_adds_one_that_is_notified_of_every_workspace(console: Client, receiver: Receiver) -> None:
    answer = submit(console, ADD, url=receiver.url)
    assert len(set(SECRET.findall(answer.content.decode()))) == 1
    assert "it is kept sealed, to sign with" in words(answer)
    webhook = WebhookEndpoint.objects.get()
    assert (webhook.workspace, webhook.types) == (None, None)
    acme = make_workspace("Acme")
    tell(acme)
    tell(None, type="usage.unaccounted")
    send()
    about = [json.loads(request.body)["workspace_id"] for request in receiver.received]
    assert sorted(about, key=str) == [None, acme.public_id]  # sent side by side: either may come first
    entry = AuditEntry.objects.get(action="webhook.created")
    assert (entry.actor, entry.workspace) == (OPERATOR, None)


def test_one_is_changed_rotated_disabled_enabled_tested_and_deleted(console: Client, own: WebhookEndpoint) -> None:
    assert (own.types, own.description) == (["invoice.past_due"], "Pager")
    submit(console, act_of(own, "change_it"), url=f"{URL}/2", description="")
    own.refresh_from_db()
    assert (own.url, own.types, own.description) == (f"{URL}/2", None, "")
    rotated = submit(console, act_of(own, "rotate"), grace="3600")
    assert len(set(SECRET.findall(rotated.content.decode()))) == 1
    assert own.secrets.count() == 2
    submit(console, act_of(own, "send_a_test"))
    assert WebhookDelivery.objects.get().notification.type == "webhook.test"
    submit(console, act_of(own, "disable_it"))
    own.refresh_from_db()
    assert own.status == "disabled"
    assert console.get(act_of(own, "disable_it")).status_code == 404
    submit(console, act_of(own, "enable_it"))
    own.refresh_from_db()
    assert own.status == "active"
    assert submit(console, act_of(own, "delete_it")).headers["Location"] == LIST
    assert WebhookEndpoint.objects.count() == 0


def test_a_wrong_address_is_said_on_the_form(console: Client) -> None:
    assert "Webhooks are sent by https only." in words(submit(console, ADD, url="http://ops.omixa.example/"))


def test_a_workspaces_own_is_looked_at_and_not_managed(console: Client) -> None:
    theirs, _ = create_webhook(make_workspace("Acme"), "https://hooks.acme.example/", actor="ada@acme.example", now=NOW)
    page = words(console.get(reverse("admin:metering_webhookendpoint_change", args=[theirs.pk])))
    assert "https://hooks.acme.example/" in page
    for act in ("change_it", "rotate", "send_a_test", "disable_it", "enable_it", "delete_it"):
        assert console.get(act_of(theirs, act)).status_code == 404
        assert act_of(theirs, act) not in page


def test_deliveries_are_looked_at_with_their_attempts(console: Client, receiver: Receiver) -> None:
    acme = make_workspace("Acme")
    create_webhook(acme, receiver.url, actor="ada@acme.example", now=NOW)
    receiver.reply = lambda request: Reply(500, b"<i>closed</i>")
    tell(acme)
    send()
    delivery = WebhookDelivery.objects.get()
    listed = words(console.get(SENT))
    assert "invoice.paid" in listed
    assert "It answered 500." in listed
    page = console.get(reverse("admin:metering_webhookdelivery_change", args=[delivery.pk])).content.decode()
    assert "&lt;i&gt;closed&lt;/i&gt;" in page
    assert "webhook-signature: v1," in page
    assert "inv_1" in page


def test_lists_are_empty_at_first(console: Client) -> None:
    assert "Add one to notify a server of the operators." in words(console.get(LIST))
    assert "What is sent to webhooks appears here" in words(console.get(SENT))


def test_the_doctor_warns_of_what_nobody_sends_and_of_operators_webhooks_that_fail(db: None, receiver: Receiver) -> None:
    create_webhook(None, receiver.url, actor=OPERATOR, now=NOW)
    acme = make_workspace("Acme")
    create_webhook(acme, f"{receiver.url}/acme", actor="ada@acme.example", now=NOW)
    tell(acme)
    assert list(work.webhooks_found(NOW + timedelta(seconds=299), True)) == []
    [waits] = work.webhooks_found(NOW + timedelta(seconds=300), True)
    assert (waits.check, waits.severity) == ("webhooks", "warning")
    assert waits.message == "2 deliveries of webhooks are due and not sent, the oldest for 300 seconds."
    receiver.reply = lambda request: Reply(500)
    send()
    [fails] = work.webhooks_found(NOW, True)
    assert fails.message == f"The operators' webhook {receiver.url} fails."
