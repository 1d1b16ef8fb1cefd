"""`/api/v1/webhooks`: endpoints, their secrets once, what was sent to them, tests and replays."""

import json
from datetime import timedelta
from typing import Any

import pytest

from metering.notifications.endpoints.change import MOST_WEBHOOKS, create_webhook
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from tests.kit.receiver import Receiver, Reply
from tests.kit.tenants import Tenant, acme, rival
from tests.notifications.cast import send, tell
from tests.openapi.document import check
from workspaces.keys import issue
from workspaces.models import AuditEntry

__all__ = ["acme", "fixed_day", "rival"]
LIST, ONE = "/api/v1/webhooks", "/api/v1/webhooks/{webhook_id}"
DELIVERIES, DELIVERY = f"{ONE}/deliveries", f"{ONE}/deliveries/{{delivery_id}}"
URL = "https://hooks.acme.example/omixa"


def create(tenant: Tenant, **asked: Any) -> Any:
    return tenant.admin.post(LIST, {"url": URL} | asked, format="json")


@pytest.fixture
def made(acme: Tenant) -> dict[str, Any]:
    found: dict[str, Any] = create(acme).json()
    return found


def test_a_webhook_is_created_read_changed_and_deleted(acme: Tenant) -> None:
    made = check(create(acme, types=["invoice.paid", "budget.threshold_reached"], description="CRM"), LIST, "post", 201)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made == {
        "object": "webhook",
        "id": made["id"],
        "url": URL,
        "types": ["budget.threshold_reached", "invoice.paid"],
        "description": "CRM",
        "status": "active",
        "disabled_because": None,
        "disabled_at": None,
        "failing_since": None,
        "created_at": "2026-10-15T12:00:00Z",
    }
    one = f"{LIST}/{made['id']}"
    assert check(acme.admin.get(one), ONE, "get", 200) == made
    assert check(acme.admin.get(LIST), LIST, "get", 200)["data"] == [made]
    changed = check(acme.admin.patch(one, {"types": None, "status": "disabled"}, format="json"), ONE, "patch", 200)
    off = {"types": None, "status": "disabled", "disabled_because": "manual", "disabled_at": "2026-10-15T12:00:00Z"}
    assert changed == made | off
    enabled = check(acme.admin.patch(one, {"status": "active", "url": f"{URL}/2"}, format="json"), ONE, "patch", 200)
    assert enabled == made | {"types": None, "url": f"{URL}/2"}
    assert check(acme.admin.delete(one), ONE, "delete", 200) == {"object": "webhook", "id": made["id"], "deleted": True}
    assert check(acme.admin.get(one), ONE, "get", 404)["error"]["code"] == "not_found"
    actions = list(AuditEntry.objects.filter(target=made["id"]).order_by("id").values_list("action", flat=True))
    assert actions == [f"webhook.{act}" for act in ("created", "changed", "disabled", "changed", "enabled", "deleted")]
    assert secret not in json.dumps(list(AuditEntry.objects.values_list("detail", flat=True)))


def test_a_secret_is_in_the_answers_that_made_it_only(acme: Tenant, made: dict[str, Any]) -> None:
    one = f"{LIST}/{made['id']}"
    rotated = check(acme.admin.post(f"{one}/rotate", {"grace_seconds": 60}, format="json"), f"{ONE}/rotate", "post", 200)
    assert rotated["secret"] != made["secret"]
    shown = json.dumps([acme.admin.get(path).json() for path in (LIST, one, "/api/v1/audit")])
    assert made["secret"] not in shown
    assert rotated["secret"] not in shown
    old, new = WebhookEndpoint.objects.get().secrets.order_by("pk")
    assert (old.expires_at, new.expires_at) == (NOW + timedelta(seconds=60), None)


def test_an_old_secret_signs_for_a_day_unless_asked_otherwise(acme: Tenant, made: dict[str, Any]) -> None:
    acme.admin.post(f"{LIST}/{made['id']}/rotate", {}, format="json")
    assert WebhookEndpoint.objects.get().secrets.order_by("pk")[0].expires_at == NOW + timedelta(days=1)


def test_a_test_is_sent_and_looked_at_with_its_request_and_answer(acme: Tenant, receiver: Receiver) -> None:
    receiver.reply = lambda request: Reply(500, b"we are closed")
    made = create(acme, url=receiver.url).json()
    test = check(acme.admin.post(f"{LIST}/{made['id']}/test"), f"{ONE}/test", "post", 202)
    assert (test["type"], test["status"], test["attempt_count"], test["next_attempt_at"]) == (
        "webhook.test",
        "waiting",
        0,
        None,
    )
    send()
    one = f"{LIST}/{made['id']}/deliveries/{test['id']}"
    found = check(acme.admin.get(one), DELIVERY, "get", 200)
    [request] = receiver.received
    assert found["attempts"] == [
        {
            "number": 1,
            "sent_at": "2026-10-15T12:00:00Z",
            "duration_ms": found["attempts"][0]["duration_ms"],
            "url": receiver.url,
            "request_headers": {name: request.headers[name] for name in found["attempts"][0]["request_headers"]},
            "answer_status": 500,
            "answer_body": "we are closed",
            "error": None,
        }
    ]
    assert found["body"].encode() == request.body
    assert (found["last_error"], found["notification_id"]) == ("It answered 500.", request.id)
    assert "2026-10-15T12:00:05" <= found["next_attempt_at"] <= "2026-10-15T12:00:06"


def test_deliveries_are_listed_by_status_and_type_and_replayed(acme: Tenant, receiver: Receiver) -> None:
    made = create(acme, url=receiver.url).json()
    tell(acme.workspace, 1)
    tell(acme.workspace, 2, type="invoice.voided")
    send()
    tell(acme.workspace, 3)
    listed = f"{LIST}/{made['id']}/deliveries"

    def types(**query: str) -> list[tuple[str, str]]:
        rows = check(acme.admin.get(listed, query), DELIVERIES, "get", 200)["data"]
        return [(row["type"], row["status"]) for row in rows]

    waiting, voided, paid = [("invoice.paid", "waiting"), ("invoice.voided", "delivered"), ("invoice.paid", "delivered")]
    assert types() == [waiting, voided, paid]
    assert types(status="delivered") == [voided, paid]
    assert types(type="invoice.paid") == [waiting, paid]
    assert types(status="failed") == []
    first = WebhookDelivery.objects.order_by("pk")[0]
    replayed = check(acme.admin.post(f"{listed}/{first.public_id}/replay"), f"{DELIVERY}/replay", "post", 202)
    assert (replayed["id"], replayed["status"], replayed["attempt_count"]) == (first.public_id, "waiting", 1)
    send()
    assert receiver.ids().count(first.notification.public_id) == 2


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"url": "http://hooks.acme.example/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": 7}, "url"),
        ({"types": []}, "types"),
        ({"types": ["invoice.payed"]}, "types"),
        ({"types": ["webhook.test"]}, "types"),
        ({"description": "x" * 201}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"secret": "whsec_x"}, "secret"),
        ({"status": "active"}, "status"),
    ],
)
def test_what_no_webhook_can_have_is_refused(acme: Tenant, asked: dict[str, Any], param: str) -> None:
    refused = check(create(acme, **asked), LIST, "post", 400)
    assert (refused["error"]["code"], refused["error"]["param"]) == ("invalid_parameter", param)
    assert WebhookEndpoint.objects.count() == 0


def test_a_workspace_has_ten_webhooks_at_most(acme: Tenant) -> None:
    assert MOST_WEBHOOKS == 10
    assert [create(acme).status_code for _ in range(10)] == [201] * 10
    refused = check(create(acme), LIST, "post", 409)
    assert refused["error"]["code"] == "too_many_webhooks"


def test_a_disabled_one_is_sent_no_test(acme: Tenant, made: dict[str, Any]) -> None:
    acme.admin.patch(f"{LIST}/{made['id']}", {"status": "disabled"}, format="json")
    refused = check(acme.admin.post(f"{LIST}/{made['id']}/test"), f"{ONE}/test", "post", 409)
    assert refused["error"]["code"] == "webhook_disabled"


def test_of_another_workspace_nothing_is_seen_or_done(acme: Tenant, rival: Tenant, made: dict[str, Any]) -> None:
    delivery = acme.admin.post(f"{LIST}/{made['id']}/test").json()
    one = f"{LIST}/{made['id']}"
    sent = f"{one}/deliveries/{delivery['id']}"
    asked = [
        *(rival.admin.get(path) for path in (one, f"{one}/deliveries", sent)),
        *(rival.admin.post(path, {}, format="json") for path in (f"{one}/rotate", f"{one}/test", f"{sent}/replay")),
        rival.admin.patch(one, {"description": "theirs"}, format="json"),
        rival.admin.delete(one),
    ]
    assert {answer.status_code for answer in asked} == {404}
    assert rival.admin.get(LIST).json()["data"] == []
    operators, _ = create_webhook(None, URL, actor="ops@omixa.example", now=NOW)
    assert acme.admin.get(f"{LIST}/{operators.public_id}").status_code == 404


def test_it_takes_a_key_that_manages_keys(acme: Tenant, client: Any) -> None:
    limited, secret = issue.create_key(acme.workspace, "admin", "Reads", "the tests", NOW, scopes=[])
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get(LIST, headers=headers).status_code == 200
    refused = client.post(LIST, {"url": URL}, content_type="application/json", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "key_is_limited")
    live = client.get(LIST, headers={"Authorization": f"Bearer {acme.secret}"})
    assert (live.status_code, live.json()["error"]["message"]) == (
        403,
        "Webhooks need an omx_admin_ key, or an owner or admin of the workspace.",
    )
    assert limited.pk
