"""Webhooks on the customers' pages: added, tested, looked at, sent again, rotated, disabled and deleted."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from metering.notifications.endpoints.change import create_webhook, send_test
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from tests.kit.factories import NOW
from tests.kit.pages import text_of, words_of
from tests.kit.people import Browser
from tests.kit.receiver import Receiver, Reply
from tests.notifications.cast import _private_addresses, receiver, send, tell
from tests.website.conftest import Tenant
from workspaces.models import AuditEntry, Workspace

__all__ = ["_private_addresses", "receiver"]
PAGE, NEW = "/settings/webhooks", "/settings/webhooks/new"
URL = "https://hooks.acme.example/omixa"
FORM = {"url": URL, "description": "CRM", "which": "all"}
SECRET = re.compile(r"whsec_[0-9A-Za-z+/=]{44}")


def a_webhook(workspace: Workspace, url: str = URL, **more: Any) -> WebhookEndpoint:
    return create_webhook(workspace, url, actor="ada@acme.example", now=NOW, **more)[0]


def test_an_empty_list_leads_to_the_first(acme: Tenant, admin: Client) -> None:
    page = words_of(admin.get(PAGE))
    assert "No webhooks yet" in page
    assert "Add webhook" in page


def test_a_new_webhooks_secret_is_on_its_page_once(acme: Tenant, admin: Client) -> None:
    answer = admin.post(NEW, FORM)
    [secret] = set(SECRET.findall(text_of(answer)))
    assert "no-store" in answer["Cache-Control"]
    webhook = WebhookEndpoint.objects.get()
    assert (webhook.workspace, webhook.url, webhook.types, webhook.description) == (acme.workspace, URL, None, "CRM")
    for address in (PAGE, f"{PAGE}/{webhook.public_id}"):
        page = text_of(admin.get(address))
        assert "hooks.acme.example" in page
        assert secret not in page
    entry = AuditEntry.objects.get(action="webhook.created")
    assert (entry.actor, entry.workspace, entry.target) == ("admin@acme.example", acme.workspace, webhook.public_id)


def test_types_are_chosen_one_by_one(acme: Tenant, admin: Client) -> None:
    admin.post(NEW, FORM | {"which": "chosen", "types": ["invoice.paid", "key.leaked"]})
    webhook = WebhookEndpoint.objects.get()
    assert webhook.types == ["key.leaked", "invoice.paid"]
    change = f"{PAGE}/{webhook.public_id}/change"
    assert text_of(admin.get(change)).count(" checked") == 2
    assert admin.post(change, FORM | {"which": "all"}).headers["Location"] == f"{PAGE}/{webhook.public_id}"
    webhook.refresh_from_db()
    assert webhook.types is None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"url": "http://hooks.acme.example/"}, "Webhooks are sent by https only."),
        ({"url": "https://10.0.0.1/"}, "This is not a public address: webhooks are not sent into private networks."),
        ({"url": ""}, "This field is required."),
        ({"which": "chosen"}, "Tick at least one, or choose everything."),
        ({"which": "chosen", "types": ["webhook.test"]}, "Select a valid choice."),
        ({"description": "x" * 201}, "Ensure this value has at most 200 characters"),
    ],
)
def test_a_wrong_form_says_so_where_it_was_typed(acme: Tenant, admin: Client, fields: dict[str, Any], error: str) -> None:
    page = text_of(admin.post(NEW, FORM | fields))
    assert error in page
    assert "field__error" in page
    assert WebhookEndpoint.objects.count() == 0


def test_a_test_is_sent_looked_at_and_sent_again(acme: Tenant, admin: Client, receiver: Receiver) -> None:
    receiver.reply = lambda request: Reply(500, b"<b>closed</b>")
    webhook = a_webhook(acme.workspace, receiver.url)
    where = admin.post(f"{PAGE}/{webhook.public_id}/test").headers["Location"]
    assert "Not sent yet" in words_of(admin.get(where))
    send()
    page = text_of(admin.get(where))
    delivery = WebhookDelivery.objects.select_related("notification").get()
    assert where == f"{PAGE}/{webhook.public_id}/{delivery.public_id}"
    for words in (
        delivery.notification.public_id,
        "&lt;b&gt;closed&lt;/b&gt;",
        "It answered 500.",
        "webhook-signature",
        "Retrying",
    ):
        assert words in page
    assert admin.post(f"{where}/replay").headers["Location"] == where
    receiver.reply = lambda request: Reply()
    send()
    page = words_of(admin.get(where))
    assert "Delivered" in page
    assert "Attempt 2" in page
    assert receiver.ids() == [delivery.notification.public_id] * 2


def test_the_page_of_a_webhook_lists_what_was_sent_by_status_and_leads_to_older_ones(
    acme: Tenant, admin: Client, receiver: Receiver
) -> None:
    webhook = a_webhook(acme.workspace, receiver.url)
    for number in range(51):
        tell(acme.workspace, number)
    send()
    send_test(webhook, actor="ada@acme.example", now=NOW)
    one = f"{PAGE}/{webhook.public_id}"
    page = text_of(admin.get(one))
    assert page.count("row-link") == 50
    [older] = re.findall(r'href="(\?status=&amp;after=[^"]+)"', page)
    rest = text_of(admin.get(one + older.replace("&amp;", "&")))
    assert rest.count("row-link") == 2
    waiting = text_of(admin.get(one, {"status": "waiting"}))
    assert waiting.count("row-link") == 1
    assert "webhook.test" in waiting
    assert "None of these has this status." in words_of(admin.get(one, {"status": "failed"}))


def test_a_failing_and_a_disabled_webhook_say_since_when_and_why(acme: Tenant, admin: Client, receiver: Receiver) -> None:
    webhook = a_webhook(acme.workspace, receiver.url)
    receiver.reply = lambda request: Reply(500)
    tell(acme.workspace)
    send()
    one = f"{PAGE}/{webhook.public_id}"
    assert "Every request fails since 15 Oct 2026, 12:00 UTC" in words_of(admin.get(one))
    receiver.reply = lambda request: Reply(410)
    send(NOW + timedelta(seconds=6))
    assert "Disabled on 15 Oct 2026, 12:00 UTC: It answered 410 Gone" in words_of(admin.get(one))
    assert "Send test" not in text_of(admin.get(one))
    answer = admin.post(f"{one}/status", {"status": "active"}, follow=True)
    assert "The webhook is enabled." in words_of(answer)
    assert "Send test" in text_of(answer)
    admin.post(f"{one}/status", {"status": "disabled"})
    webhook.refresh_from_db()
    assert (webhook.status, webhook.disabled_because) == ("disabled", "manual")


def test_a_rotated_secret_is_on_its_page_once_and_the_old_one_signs_for_a_day(acme: Tenant, admin: Client) -> None:
    webhook = a_webhook(acme.workspace)
    one = f"{PAGE}/{webhook.public_id}"
    answer = admin.post(f"{one}/rotate", {"grace": "86400"})
    assert len(set(SECRET.findall(text_of(answer)))) == 1
    assert "requests are also signed with it until 16 Oct 2026, 12:00 UTC" in words_of(answer)
    assert "requests are also signed with an older one until 16 Oct 2026, 12:00 UTC" in words_of(admin.get(one))


def test_a_deleted_webhook_is_gone(acme: Tenant, admin: Client) -> None:
    webhook = a_webhook(acme.workspace)
    one = f"{PAGE}/{webhook.public_id}"
    assert "Delete the webhook to hooks.acme.example?" in words_of(admin.get(f"{one}/delete"))
    answer = admin.post(f"{one}/delete", follow=True)
    assert "The webhook to hooks.acme.example is deleted." in words_of(answer)
    assert admin.get(one).status_code == 404


def test_only_owners_and_admins_of_the_workspace_see_them(acme: Tenant, rival: Tenant, as_role: Browser, admin: Client) -> None:
    theirs = a_webhook(rival.workspace)
    delivery = send_test(theirs, actor="eve@rival.example", now=NOW)
    operators = create_webhook(None, URL, actor="ops@omixa.example", now=NOW)[0]
    for webhook in (theirs, operators):
        one = f"{PAGE}/{webhook.public_id}"
        assert {admin.get(path).status_code for path in (one, f"{one}/change", f"{one}/rotate", f"{one}/delete")} == {404}
        assert {admin.post(f"{one}/{act}", FORM).status_code for act in ("change", "rotate", "delete", "test", "status")} == {
            404
        }
    sent = f"{PAGE}/{theirs.public_id}/{delivery.public_id}"
    assert (admin.get(sent).status_code, admin.post(f"{sent}/replay").status_code) == (404, 404)
    for role in ("billing", "viewer"):
        client = as_role(role)
        assert (client.get(PAGE).status_code, client.post(NEW, FORM).status_code) == (403, 403)
        assert PAGE not in text_of(client.get("/settings"))
    assert PAGE in text_of(admin.get("/settings"))


def test_ten_are_the_most(acme: Tenant, admin: Client) -> None:
    for _ in range(10):
        a_webhook(acme.workspace)
    page = words_of(admin.get(PAGE))
    assert "A workspace has at most 10 webhooks" in page
    assert "Add webhook" not in page
    assert "A workspace has at most 10 webhooks" in words_of(admin.post(NEW, FORM, follow=True))
