"""A webhook that the product disabled: its owners and admins get one mail, and none about what a person did."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from metering.notifications.endpoints.change import change_webhook, create_webhook
from metering.notifications.endpoints.disable import disable_webhook
from metering.notifications.models import WebhookEndpoint
from metering.payments.mails.sending import send_waiting
from tests.kit.factories import NOW
from tests.kit.people import a_member, acme
from workspaces.models import Workspace

__all__ = ["acme"]
DAY, URL = timedelta(days=1), "https://hooks.acme.example/"


def a_webhook(workspace: Workspace | None) -> WebhookEndpoint:
    return create_webhook(workspace, URL, actor="ada@acme.example", now=NOW)[0]


def disable(webhook: WebhookEndpoint, because: str, now: Any = NOW) -> None:
    with transaction.atomic():
        disable_webhook(webhook, WebhookEndpoint.Reason(because), now)


@pytest.mark.parametrize(
    ("because", "words"), [("gone", "it answered 410 Gone."), ("failing", "every delivery failed for five days.")]
)
def test_owners_and_admins_get_one_mail(acme: Workspace, because: str, words: str) -> None:
    for role in ("owner", "admin", "billing", "viewer"):
        a_member(acme, role)
    webhook = a_webhook(acme)
    disable(webhook, because)
    assert send_waiting(NOW) == {"sent": 1, "failed": 0}
    assert send_waiting(NOW + DAY) == {"sent": 0, "failed": 0}
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == (
        "A webhook of your workspace is disabled",
        ["admin@acme.example", "owner@acme.example"],
    )
    assert f"We send nothing to it any more: {words}" in sent.body
    assert f"/settings/webhooks/{webhook.public_id}?workspace={acme.public_id}" in sent.body


def test_each_time_is_news(acme: Workspace) -> None:
    a_member(acme, "owner")
    webhook = a_webhook(acme)
    disable(webhook, "gone")
    send_waiting(NOW)
    change_webhook(webhook, {"status": "active"}, actor="ada@acme.example", now=NOW)
    webhook.refresh_from_db()
    disable(webhook, "gone", NOW + DAY)
    assert send_waiting(NOW + DAY) == {"sent": 1, "failed": 0}


def test_of_what_a_person_disabled_and_of_operators_webhooks_no_customer_hears(acme: Workspace) -> None:
    a_member(acme, "owner")
    change_webhook(a_webhook(acme), {"status": "disabled"}, actor="ada@acme.example", now=NOW)
    disable(a_webhook(None), "gone")
    assert send_waiting(NOW) == {"sent": 0, "failed": 0}
