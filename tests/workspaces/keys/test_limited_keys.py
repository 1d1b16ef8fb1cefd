"""Admin keys with fewer scopes: what they may do, and that they make nothing stronger than themselves."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from tests.kit.people import a_key, a_member, signed_in, trail
from tests.kit.tenants import TESTS, with_key
from workspaces.access.authentication import authenticate_key
from workspaces.errors import KeyIsLimited
from workspaces.keys import issue
from workspaces.models import APIKey, Credential, Workspace

__all__ = ["fixed_day"]

KEYS = "/api/v1/keys"
DAY = timedelta(days=1)
IN_A_YEAR = NOW + 365 * DAY


def limited(workspace: Workspace, *scopes: str, **more: Any) -> tuple[APIKey, APIClient]:
    key, secret = a_key(workspace, "admin", "Limited", scopes=scopes, **more)
    return key, with_key(secret)


def refused(response: Any, param: str | None = None) -> str:
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (403, "key_is_limited", "permission_error")
    assert error["param"] == param
    return str(error["message"])


def test_a_key_that_only_reads_lists_keys_and_changes_none(acme: Workspace) -> None:
    server, _ = a_key(acme)
    key, client = limited(acme)
    assert [each["id"] for each in client.get(KEYS).json()["data"]] == [key.public_id, server.public_id]
    assert client.get(f"{KEYS}/{server.public_id}").status_code == 200
    message = "This key is limited: it may only read. This request needs a key with the scope keys."
    assert refused(client.post(KEYS, {"name": "x"}, format="json")) == message
    assert refused(client.patch(f"{KEYS}/{server.public_id}", {"name": "x"}, format="json")) == message
    for act in ("rotate", "revoke"):
        assert refused(client.post(f"{KEYS}/{server.public_id}/{act}", {}, format="json")) == message
    assert (APIKey.objects.count(), Credential.objects.count()) == (2, 2)
    server.refresh_from_db()
    assert (server.name, server.revoked_at) == ("Server", None)


def test_the_message_names_what_the_key_may_do(acme: Workspace) -> None:
    _, client = limited(acme, "payments")
    assert refused(client.post(KEYS, {"name": "x"}, format="json")) == (
        "This key is limited: it may read and pay invoices and buy credit. This request needs a key with the scope keys."
    )


def test_keys_are_made_limited_shown_and_changed(acme: Workspace) -> None:
    maker, secret = a_key(acme, "admin")
    admin = with_key(secret)
    made = admin.post(KEYS, {"name": "Reader", "kind": "admin", "scopes": []}, format="json").json()
    assert (made["scopes"], made["created_by"], made["created_by_key"]) == ([], None, maker.public_id)
    url = f"{KEYS}/{made['id']}"
    assert admin.patch(url, {"scopes": ["payments", "keys", "keys"]}, format="json").status_code == 400
    assert admin.patch(url, {"scopes": ["payments", "payments"]}, format="json").json()["scopes"] == ["payments"]
    assert admin.patch(url, {"scopes": ["payments", "keys"]}, format="json").json()["scopes"] == ["keys", "payments"]
    assert [(action, detail.get("before"), detail.get("after")) for _, action, detail in trail(made["id"])] == [
        ("key.created", None, None),
        ("key.scopes_changed", [], ["payments"]),
        ("key.scopes_changed", ["payments"], ["keys", "payments"]),
    ]
    assert trail(made["id"])[0][2]["scopes"] == []


@pytest.mark.parametrize("scopes", [["everything"], "keys", None, [None], {}])
def test_scopes_that_there_are_not_are_refused(acme: Workspace, scopes: Any) -> None:
    admin = with_key(a_key(acme, "admin")[1])
    answer = admin.post(KEYS, {"name": "x", "kind": "admin", "scopes": scopes}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")
    assert APIKey.objects.count() == 1


def test_a_live_key_has_no_scopes_to_choose(acme: Workspace) -> None:
    admin = with_key(a_key(acme, "admin")[1])
    made = admin.post(KEYS, {"name": "Server"}, format="json").json()
    assert made["scopes"] is None
    for answer in (
        admin.post(KEYS, {"name": "x", "scopes": []}, format="json"),
        admin.patch(f"{KEYS}/{made['id']}", {"scopes": ["keys"]}, format="json"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "scopes_not_for_kind")


def test_the_database_knows_no_other_scope(acme: Workspace) -> None:
    key, _ = a_key(acme, "admin")
    with pytest.raises(IntegrityError, match="api_key_has_scopes_that_there_are"), transaction.atomic():
        APIKey.objects.filter(pk=key.pk).update(scopes=["everything"])


# --- Never stronger than its maker -------------------------------------------------------------------------------


def test_a_limited_key_makes_keys_of_its_own_scopes_at_most(acme: Workspace) -> None:
    maker, client = limited(acme, "keys")
    made = client.post(KEYS, {"name": "As it is", "kind": "admin"}, format="json").json()
    assert (made["scopes"], made["created_by_key"]) == (["keys"], maker.public_id)
    assert client.post(KEYS, {"name": "Less", "kind": "admin", "scopes": []}, format="json").json()["scopes"] == []
    assert client.post(KEYS, {"name": "Live"}, format="json").json()["kind"] == "live"
    message = refused(client.post(KEYS, {"name": "x", "kind": "admin", "scopes": ["payments"]}, format="json"), "scopes")
    assert message == (
        "This key is limited: it cannot make or change an admin key with the scope payments, which it does not have itself."
    )
    assert APIKey.objects.count() == 4


def test_a_limited_key_widens_neither_itself_nor_another(acme: Workspace) -> None:
    maker, client = limited(acme, "keys")
    other, _ = limited(acme)
    for key in (maker, other):
        refused(client.patch(f"{KEYS}/{key.public_id}", {"scopes": ["keys", "payments"]}, format="json"), "scopes")
    assert client.patch(f"{KEYS}/{other.public_id}", {"scopes": ["keys"]}, format="json").json()["scopes"] == ["keys"]


def test_a_limited_key_gets_no_secret_of_a_stronger_key_and_does_not_change_it(acme: Workspace) -> None:
    strong, secret = a_key(acme, "admin", "Strong")
    _, client = limited(acme, "keys")
    refused(client.post(f"{KEYS}/{strong.public_id}/rotate", {}, format="json"), "scopes")
    refused(client.patch(f"{KEYS}/{strong.public_id}", {"expires_at": None}, format="json"), "scopes")
    refused(client.patch(f"{KEYS}/{strong.public_id}", {"scopes": ["keys"]}, format="json"), "scopes")
    assert authenticate_key(secret, NOW).key == strong
    assert client.post(f"{KEYS}/{strong.public_id}/revoke", {}, format="json").json()["status"] == "revoked"


def test_what_a_limited_key_makes_is_not_good_for_longer_than_it_is(acme: Workspace) -> None:
    until = NOW + 30 * DAY
    maker, client = limited(acme, "keys", expires_at=until)
    made = client.post(KEYS, {"name": "As long", "kind": "admin"}, format="json").json()
    assert made["expires_at"] == "2026-11-14T12:00:00Z"
    for body in ({"expires_at": None}, {"expires_at": "2026-11-14T12:00:01Z"}):
        refused(client.post(KEYS, {"name": "x", "kind": "admin", **body}, format="json"), "expires_at")
        for key_id in (made["id"], maker.public_id):
            refused(client.patch(f"{KEYS}/{key_id}", body, format="json"), "expires_at")
    longer, _ = a_key(acme, "admin", "Longer", scopes=["keys"])
    refused(client.post(f"{KEYS}/{longer.public_id}/rotate", {}, format="json"), "expires_at")
    assert client.post(KEYS, {"name": "Live"}, format="json").json()["expires_at"] is None


def test_a_key_with_every_scope_and_a_person_make_any_key(acme: Workspace) -> None:
    admin = with_key(a_key(acme, "admin", expires_at=NOW + DAY)[1])
    made = admin.post(KEYS, {"name": "Next", "kind": "admin", "expires_at": None}, format="json").json()
    assert (made["scopes"], made["expires_at"]) == (["keys", "payments"], None)
    owner = a_member(acme, "owner")
    key, _ = issue.create_key(acme, "admin", "Theirs", owner.user.email, NOW, user=owner.user)
    assert (key.scopes, key.created_by, key.created_by_key) == (["keys", "payments"], owner.user, None)
    assert signed_in(owner.user).get(f"{KEYS}/{key.public_id}").json()["created_by"] == "owner@acme.example"


def test_keys_narrowed_meanwhile_stay_narrow(acme: Workspace) -> None:
    """The act looks at the key under its lock, not at what the request saw."""
    maker, _ = limited(acme, "keys")
    other, _ = limited(acme)
    seen = APIKey.objects.get(pk=other.pk)
    issue.limit_key(other, ["payments"], TESTS, NOW)
    with pytest.raises(KeyIsLimited):
        issue.change_key(seen, {"name": "x"}, maker.public_id, NOW, maker=maker)


# --- Expiry ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "chosen", "days", "expected"),
    [
        ("admin", {}, 365, IN_A_YEAR),
        ("admin", {}, 30, NOW + 30 * DAY),
        ("admin", {}, None, None),
        ("admin", {"expires_at": None}, 365, None),
        ("admin", {"expires_at": NOW + DAY}, 365, NOW + DAY),
        ("live", {}, 365, None),
    ],
)
def test_an_admin_key_expires_in_a_year_unless_another_time_is_chosen(
    acme: Workspace, settings: Any, kind: str, chosen: dict[str, Any], days: int | None, expected: datetime | None
) -> None:
    settings.ADMIN_KEY_DAYS = days
    key, _ = a_key(acme, kind, **chosen)
    assert key.expires_at == expected


def test_over_http_absent_is_a_year_and_null_is_never(acme: Workspace) -> None:
    admin = with_key(a_key(acme, "admin")[1])
    usual = admin.post(KEYS, {"name": "x", "kind": "admin"}, format="json").json()
    never = admin.post(KEYS, {"name": "x", "kind": "admin", "expires_at": None}, format="json").json()
    assert (usual["expires_at"], never["expires_at"]) == ("2027-10-15T12:00:00Z", None)
