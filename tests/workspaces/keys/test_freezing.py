"""Frozen keys: refused like revoked ones, and working again once they are unfrozen."""

from datetime import timedelta

import pytest
import time_machine
from rest_framework.test import APIClient

from tests.kit.concurrent import at_once
from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from tests.kit.people import a_key, a_member, signed_in, trail
from tests.kit.tenants import TESTS, with_key
from workspaces.access.authentication import authenticate_key
from workspaces.errors import KeyFrozen, KeyIsLimited, KeyRevoked
from workspaces.keys.freezing import freeze_key, unfreeze_key
from workspaces.keys.issue import change_key, revoke_key, rotate_key
from workspaces.models import APIKey, Workspace

__all__ = ["fixed_day"]

KEYS = "/api/v1/keys"
HOUR = timedelta(hours=1)
NO_GRACE = timedelta(0)


def error_code(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]  # type: ignore[attr-defined]


def test_a_frozen_key_is_refused_until_it_is_unfrozen(acme: Workspace, admin: APIClient) -> None:
    key, secret = a_key(acme)
    client, url = with_key(secret), f"{KEYS}/{key.public_id}"
    assert client.get("/api/v1/key").status_code == 200
    frozen = admin.post(f"{url}/freeze").json()
    by = APIKey.objects.get(name="Admin").public_id
    assert [frozen[name] for name in ("status", "frozen_at", "frozen_reason", "frozen_by", "frozen_by_key")] == [
        *("frozen", "2026-10-15T12:00:00Z", "requested", None, by),
    ]
    answer = client.get("/api/v1/key")
    assert error_code(answer) == (403, "key_frozen")
    assert answer.json()["error"]["type"] == "permission_error"
    unfrozen = admin.post(f"{url}/unfreeze").json()
    assert [unfrozen[name] for name in ("status", "frozen_at", "frozen_reason", "frozen_by_key")] == [
        "active",
        None,
        None,
        None,
    ]
    assert client.get("/api/v1/key").status_code == 200
    assert trail(key.public_id)[1:] == [
        (by, "key.frozen", {"reason": "requested"}),
        (secret[:13], "credential.refused", {"why": "key_frozen"}),
        (by, "key.unfrozen", {"reason": "requested"}),
    ]


def test_once_more_changes_nothing_and_leaves_no_entry(acme: Workspace, admin: APIClient) -> None:
    key, _ = a_key(acme)
    url = f"{KEYS}/{key.public_id}"
    assert admin.post(f"{url}/unfreeze").json()["status"] == "active"
    admin.post(f"{url}/freeze")
    with time_machine.travel(NOW + HOUR, tick=False):
        assert admin.post(f"{url}/freeze").json()["frozen_at"] == "2026-10-15T12:00:00Z"
    assert [action for _, action, _ in trail(key.public_id)] == ["key.created", "key.frozen"]


def test_a_person_is_named_who_froze_it(acme: Workspace) -> None:
    key, _ = a_key(acme)
    owner = a_member(acme, "owner").user
    freeze_key(key, owner.email, NOW, owner)
    shown = with_key(a_key(acme, "admin")[1]).get(f"{KEYS}/{key.public_id}").json()
    assert (shown["frozen_by"], shown["frozen_by_key"]) == ("owner@acme.example", None)


def test_a_frozen_admin_key_does_nothing_and_is_unfrozen_by_a_person(acme: Workspace, admin: APIClient) -> None:
    other, secret = a_key(acme, "admin", "Other")
    admin.post(f"{KEYS}/{other.public_id}/freeze")
    locked_out = with_key(secret)
    assert error_code(locked_out.post(f"{KEYS}/{other.public_id}/unfreeze")) == (403, "key_frozen")
    assert error_code(locked_out.get(KEYS)) == (403, "key_frozen")
    owner = a_member(acme, "owner").user
    assert unfreeze_key(other, owner.email, NOW, owner)
    assert locked_out.get(KEYS).status_code == 200


def test_an_admin_key_does_not_freeze_itself(acme: Workspace) -> None:
    key, secret = a_key(acme, "admin")
    assert error_code(with_key(secret).post(f"{KEYS}/{key.public_id}/freeze")) == (409, "key_freezes_itself")
    assert authenticate_key(secret, NOW).key == key


@pytest.mark.django_db(transaction=True)
def test_of_two_admin_keys_that_freeze_each_other_at_once_one_is_left(acme: Workspace) -> None:
    for _ in range(5):
        one, two = (a_key(acme, "admin", name)[0] for name in ("One", "Two"))
        results = at_once(
            lambda one=one, two=two: freeze_key(one, two.public_id, NOW, maker=two),  # type: ignore[misc]
            lambda one=one, two=two: freeze_key(two, one.public_id, NOW, maker=one),  # type: ignore[misc]
        )
        assert sorted(map(repr, map(type, results))) == [repr(bool), repr(KeyFrozen)]
        assert APIKey.objects.filter(pk__in=[one.pk, two.pk], frozen_at__isnull=False).count() == 1


def test_a_revoked_key_is_neither_frozen_nor_unfrozen(acme: Workspace, admin: APIClient) -> None:
    key, _ = a_key(acme)
    revoke_key(key, TESTS, NOW)
    for act in ("freeze", "unfreeze"):
        assert error_code(admin.post(f"{KEYS}/{key.public_id}/{act}")) == (409, "key_revoked")
    frozen, _ = a_key(acme)
    freeze_key(frozen, TESTS, NOW)
    revoke_key(frozen, TESTS, NOW)
    with pytest.raises(KeyRevoked):
        unfreeze_key(frozen, TESTS, NOW)
    assert APIKey.objects.get(pk=frozen.pk).status(NOW) == "revoked"


def test_a_frozen_key_may_be_changed_and_rotated_and_stays_frozen(acme: Workspace) -> None:
    key, _ = a_key(acme)
    freeze_key(key, TESTS, NOW)
    change_key(key, {"name": "Other", "expires_at": NOW + HOUR}, TESTS, NOW)
    secret = rotate_key(key, NO_GRACE, TESTS, NOW)
    with pytest.raises(KeyFrozen):
        authenticate_key(secret, NOW)
    key.refresh_from_db()
    assert (key.status(NOW), key.status(NOW + HOUR)) == ("frozen", "frozen")
    unfreeze_key(key, TESTS, NOW)
    assert authenticate_key(secret, NOW).key == key


def test_a_leak_takes_the_place_of_another_reason_and_nothing_that_of_a_leak(acme: Workspace) -> None:
    key, _ = a_key(acme)
    reasons = APIKey.Freeze
    assert freeze_key(key, TESTS, NOW, reason=reasons.SPEND_SPIKE)
    assert not freeze_key(key, TESTS, NOW, reason=reasons.REQUESTED)
    assert freeze_key(key, TESTS, NOW + HOUR, reason=reasons.LEAKED)
    assert not freeze_key(key, TESTS, NOW + 2 * HOUR, reason=reasons.SPEND_SPIKE)
    assert not freeze_key(key, TESTS, NOW + 2 * HOUR, reason=reasons.LEAKED)
    key.refresh_from_db()
    assert (key.frozen_reason, key.frozen_at) == ("leaked", NOW + HOUR)


def test_a_limited_key_freezes_any_key_and_unfreezes_none_that_is_stronger(acme: Workspace) -> None:
    strong, _ = a_key(acme, "admin", "Strong")
    limited, _ = a_key(acme, "admin", "Limited", scopes=["keys"])
    assert freeze_key(strong, limited.public_id, NOW, maker=limited)
    with pytest.raises(KeyIsLimited):
        unfreeze_key(strong, limited.public_id, NOW, maker=limited)
    live, _ = a_key(acme)
    assert freeze_key(live, limited.public_id, NOW, maker=limited)
    assert unfreeze_key(live, limited.public_id, NOW, maker=limited)


def test_members_without_the_role_and_strangers_freeze_nothing(acme: Workspace) -> None:
    key, _ = a_key(acme)
    for role in ("billing", "viewer"):
        client = signed_in(a_member(acme, role).user)
        assert client.post(f"{KEYS}/{key.public_id}/freeze").status_code == 403
    rival = with_key(a_key(Workspace.objects.create(name="Rival"), "admin")[1])
    assert error_code(rival.post(f"{KEYS}/{key.public_id}/freeze")) == (404, "not_found")
    key.refresh_from_db()
    assert key.frozen_at is None
