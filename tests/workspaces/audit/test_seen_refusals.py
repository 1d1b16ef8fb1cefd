"""Strangers leave so many refusals in the trail, and hide none of a real key or account."""

from datetime import timedelta
from typing import Any

from django.test import Client

from tests.kit.factories import NOW
from tests.kit.people import a_key, a_member
from tests.kit.tenants import TESTS, with_key
from tests.workspaces.audit.seen import seen, sign_in
from workspaces import audit
from workspaces.audit import credentials, people
from workspaces.keys import issue, secrets
from workspaces.models import User, Workspace


def test_refusals_are_bounded_however_many_strangers_come(db: None) -> None:
    for number in range(8):
        once: dict[str, Any] = {"within": timedelta(hours=1), "most": 5}
        audit.record_once("nobody", "session.refused", f"{number}@acme.example", now=NOW, **once)
    assert [target for _, _, target in seen("session.refused")] == [*(f"{n}@acme.example" for n in range(5)), "others"]


def test_made_up_keys_and_accounts_hide_no_real_ones(acme: Workspace, monkeypatch: Any) -> None:
    """Of strangers there are so many; a key of ours, a gateway's token, a member and an operator are seen all the same."""
    monkeypatch.setattr(credentials, "MOST_REFUSALS", 2)
    monkeypatch.setattr(people, "MOST_FAILURES", 2)
    member, (key, secret) = a_member(acme, "owner").user, a_key(acme, "admin")
    operator = User.objects.create_user("ops@omixa.example", is_staff=True)
    gateway, token = issue.create_gateway("Edge", TESTS, NOW)
    issue.revoke_key(key, TESTS, NOW)
    issue.revoke_gateway(gateway, TESTS, NOW)
    for number in range(4):
        sign_in(Client(), f"{number}@nowhere.example", "wrong")
        with_key(secrets.new_secret("live")).get("/api/v1/keys")
    for user in (member, operator):
        sign_in(Client(), user.email, "wrong")
    with_key(secret).get("/api/v1/keys")
    with_key(token).get("/gateway/v1/batches/bat_1")
    assert [each[2] for each in seen("session.refused")] == [
        *("0@nowhere.example", "1@nowhere.example", "others"),
        *(member.email, operator.email),
    ]
    refused = ["unknown", "unknown", "others", key.public_id, gateway.public_id]
    assert [each[2] for each in seen("credential.refused")] == refused


def test_real_refusals_leave_strangers_their_own_number(acme: Workspace) -> None:
    once: dict[str, Any] = {"now": NOW, "within": timedelta(hours=1)}
    for number in range(3):
        audit.record_once("nobody", "session.refused", f"{number}@acme.example", acme, **once)
    audit.record_once("nobody", "session.refused", "9@nowhere.example", **once, most=2)
    assert seen("session.refused")[-1][2] == "9@nowhere.example"
