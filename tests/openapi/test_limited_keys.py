"""Every operation of the API with every kind of limited admin key: all of them read, and each writes within its scopes."""

from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from tests.kit.factories import NOW
from tests.kit.world import IN_PATH, World
from tests.openapi.document import document
from workspaces.keys import api, issue
from workspaces.models import APIKey, AuditEntry

pytestmark = pytest.mark.django_db
READS = {"get"}
# The scope that each operation takes which does more than read. One that is new belongs here, and its view names the scope.
WRITES = {
    "create_key": "keys",
    "change_key": "keys",
    "rotate_key": "keys",
    "freeze_key": "keys",
    "unfreeze_key": "keys",
    "revoke_key": "keys",
    "create_budget": "keys",
    "change_budget": "keys",
    "delete_budget": "keys",
    "create_webhook": "keys",
    "change_webhook": "keys",
    "rotate_webhook": "keys",
    "test_webhook": "keys",
    "replay_webhook_delivery": "keys",
    "delete_webhook": "keys",
    "change_alert_settings": "keys",
    "create_top_up": "payments",
    "pay_invoice": "payments",
}
BODIES: dict[str, dict[str, Any]] = {
    "create_key": {"name": "New"},
    "change_key": {"name": "Other"},
    "create_budget": {"scope": "model", "scope_id": "*", "window": "day", "limit": "10.00"},
    "change_budget": {"limit": "50.00"},
    "create_webhook": {"url": "https://hooks.acme.example/"},
    "change_webhook": {"description": "CRM"},
    "create_top_up": {"amount": "50.00"},
}
KINDS = [(), ("keys",), ("payments",)]


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of all that admin keys may call; writes in the order above."""
    order = list(WRITES)
    found = [
        (method, path, operation)
        for path, of_path in document()["paths"].items()
        if path.startswith("/api/") and not path.startswith("/api/v1/operator/")  # which no key of a workspace may call
        for method, operation in of_path.items()
    ]
    return sorted(found, key=lambda each: order.index(each[2]["operationId"]) if each[2]["operationId"] in order else -1)


def call(client: APIClient, world: World, method: str, path: str, operation: dict[str, Any]) -> Any:
    for name, named in IN_PATH.items():
        path = path.replace(f"{{{name}}}", world.ids.get(named, named))
    needed = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query" and each.get("required")}
    query = {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z", "request_id": world.ids["<request>"]}
    if method in READS:
        return client.get(path, {name: query[name] for name in needed})
    body = BODIES.get(operation["operationId"], {})
    return getattr(client, method)(path, body, format="json", headers={"idempotency-key": operation["operationId"]})


def client_with(world: World, scopes: tuple[str, ...]) -> APIClient:
    workspace = APIKey.objects.get(public_id=world.ids["<key>"]).workspace
    _, secret = issue.create_key(workspace, "admin", "Limited", "the tests", NOW, scopes=scopes)
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def test_every_operation_that_writes_names_its_scope_here() -> None:
    writes = {operation["operationId"] for method, _, operation in operations() if method not in READS}
    assert writes == set(WRITES)


@pytest.mark.parametrize("scopes", KINDS)
@time_machine.travel(NOW, tick=False)
def test_every_limited_key_reads_everything(world: World, scopes: tuple[str, ...]) -> None:
    client = client_with(world, scopes)
    reads = [each for each in operations() if each[0] in READS]
    statuses = {f"{method} {path}": call(client, world, method, path, each).status_code for method, path, each in reads}
    assert len(statuses) > 15
    assert statuses == dict.fromkeys(statuses, 200)


@pytest.mark.parametrize("scopes", KINDS)
@time_machine.travel(NOW, tick=False)
def test_a_limited_key_writes_within_its_scopes_and_nothing_else_happens(world: World, scopes: tuple[str, ...]) -> None:
    client = client_with(world, scopes)
    for method, path, operation in operations():
        if method in READS:
            continue
        scope, before = WRITES[operation["operationId"]], AuditEntry.objects.count()
        answer = call(client, world, method, path, operation)
        if scope in scopes:
            assert answer.json().get("error", {}).get("code") in (None, "stripe_not_configured"), operation["operationId"]
            continue
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (403, "key_is_limited"), operation["operationId"]
        assert error["message"].endswith(f"This request needs a key with the scope {scope}.")
        assert AuditEntry.objects.count() == before


@time_machine.travel(NOW, tick=False)
def test_a_view_that_names_no_scope_is_closed_to_every_limited_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(api.KeysView, "scope")
    answer = client_with(world, ("keys",)).post("/api/v1/keys", {"name": "New"}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "key_is_limited")
    assert answer.json()["error"]["message"].endswith("This request needs a key with every scope.")
    full = client_with(world, ("keys", "payments"))
    assert full.post("/api/v1/keys", {"name": "New"}, format="json").status_code == 201
