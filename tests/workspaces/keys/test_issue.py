from datetime import timedelta

import pytest
from django.db import transaction

from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from tests.kit.people import a_key, a_member, trail
from tests.kit.tenants import TESTS
from workspaces.errors import (
    GatewayRevoked,
    InvalidEmail,
    InvalidExpiry,
    InvalidGrace,
    InvalidName,
    KeyExpired,
    KeyRevoked,
    KindNotForWorkspace,
)
from workspaces.keys import issue, secrets
from workspaces.models import APIKey, AuditEntry, Credential, Gateway, Workspace

HOUR = timedelta(hours=1)
OWNER = "owner@acme.example"


def test_a_new_workspace_is_on_record(db: None) -> None:
    workspace = issue.create_workspace("  Acme ", "Bills@Acme.Example", OWNER, NOW)
    workspace.refresh_from_db()
    assert workspace.public_id.startswith("ws_")
    assert (workspace.name, workspace.email, workspace.sandbox) == ("Acme", "bills@acme.example", False)
    assert (workspace.currency, workspace.created_at) == ("USD", NOW)
    detail = {"name": "Acme", "email": "bills@acme.example", "sandbox": False}
    assert trail(workspace.public_id) == [(OWNER, "workspace.created", detail)]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "two\nlines", "bell\x07", "nul\x00", "half\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(db: None, name: str) -> None:
    with pytest.raises(InvalidName):
        issue.create_workspace(name, "", OWNER, NOW)
    assert not Workspace.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("email", ["nobody", "a@", "a b@c.example", "x" * 250 + "@c.example"])
def test_an_address_that_is_none_is_refused(db: None, email: str) -> None:
    with pytest.raises(InvalidEmail):
        issue.create_workspace("Acme", email, OWNER, NOW)
    assert not Workspace.objects.exists()


def test_only_the_hash_of_a_new_key_is_kept(acme: Workspace) -> None:
    user = a_member(acme, "owner").user
    key, secret = issue.create_key(acme, "live", "Server", OWNER, NOW, user=user, expires_at=NOW + HOUR)
    stored = Credential.objects.get(api_key=key)
    assert bytes(stored.sha256) == secrets.sha256(secret)
    assert (stored.prefix, stored.last_four) == (secret[:13], secret[-4:])
    assert (stored.created_at, stored.expires_at) == (NOW, None)
    assert (key.name, key.kind, key.created_by, key.created_at) == ("Server", "live", user, NOW)
    assert (key.expires_at, key.revoked_at, key.last_used_at) == (NOW + HOUR, None, None)
    detail = {"name": "Server", "kind": "live", "scopes": [], "expires_at": "2026-10-15T13:00:00+00:00"}
    detail |= {"last_four": secret[-4:]}
    assert stored.given_to == user
    assert trail(key.public_id) == [(OWNER, "key.created", detail)]
    assert secret not in str(AuditEntry.objects.values_list())


def test_test_keys_live_in_sandboxes_only_and_live_keys_outside_them(acme: Workspace, sandbox: Workspace) -> None:
    with pytest.raises(KindNotForWorkspace) as refused:
        issue.create_key(acme, "test", "Trial", OWNER, NOW)
    assert refused.value.status == 422
    with pytest.raises(KindNotForWorkspace):
        issue.create_key(sandbox, "live", "Server", OWNER, NOW)
    assert not APIKey.objects.exists()
    assert issue.create_key(sandbox, "test", "Trial", OWNER, NOW)[1].startswith("omx_test_")
    assert issue.create_key(acme, "live", "Server", OWNER, NOW)[1].startswith("omx_live_")
    assert issue.create_key(acme, "admin", "Admin", OWNER, NOW)[1].startswith("omx_admin_")
    assert issue.create_key(sandbox, "admin", "Admin", OWNER, NOW)[1].startswith("omx_admin_")


def test_a_key_that_would_be_born_expired_is_refused(acme: Workspace) -> None:
    with pytest.raises(InvalidExpiry):
        issue.create_key(acme, "live", "Server", OWNER, NOW, expires_at=NOW)
    assert not APIKey.objects.exists()


def test_renaming_is_on_record_once(acme: Workspace) -> None:
    key, _ = a_key(acme)
    issue.rename_key(key, "Frontend", OWNER, NOW)
    issue.rename_key(key, " Frontend ", OWNER, NOW)
    key.refresh_from_db()
    assert key.name == "Frontend"
    assert trail(key.public_id)[1:] == [(OWNER, "key.renamed", {"before": "Server", "after": "Frontend"})]


def test_an_expiry_can_be_set_moved_and_taken_away(acme: Workspace) -> None:
    key, _ = a_key(acme)
    issue.expire_key(key, NOW + HOUR, OWNER, NOW)
    key.refresh_from_db()
    assert (key.status(NOW + HOUR - timedelta(microseconds=1)), key.status(NOW + HOUR)) == ("active", "expired")
    issue.expire_key(key, NOW + 3 * HOUR, OWNER, NOW + 2 * HOUR)
    key.refresh_from_db()
    assert key.status(NOW + 2 * HOUR) == "active"
    issue.expire_key(key, None, OWNER, NOW)
    issue.expire_key(key, None, OWNER, NOW)
    key.refresh_from_db()
    assert key.expires_at is None
    one, three = "2026-10-15T13:00:00+00:00", "2026-10-15T15:00:00+00:00"
    assert [detail for _, _, detail in trail(key.public_id)[1:]] == [
        {"before": None, "after": one},
        {"before": one, "after": three},
        {"before": three, "after": None},
    ]


def test_an_expiry_in_the_past_or_on_a_revoked_key_is_refused(acme: Workspace) -> None:
    key, _ = a_key(acme)
    with pytest.raises(InvalidExpiry):
        issue.expire_key(key, NOW, OWNER, NOW)
    issue.revoke_key(key, OWNER, NOW)
    with pytest.raises(KeyRevoked):
        issue.expire_key(key, NOW + HOUR, OWNER, NOW)
    key.refresh_from_db()
    assert key.expires_at is None


def test_a_change_is_made_whole_or_not_at_all(acme: Workspace) -> None:
    key, _ = a_key(acme)
    with pytest.raises(InvalidExpiry):
        issue.change_key(key, {"name": "Frontend", "expires_at": NOW}, OWNER, NOW)
    key.refresh_from_db()
    assert key.name == "Server"
    assert len(trail(key.public_id)) == 1


def test_rotation_keeps_the_key_and_lets_its_old_secret_run_out(acme: Workspace) -> None:
    key, old = a_key(acme)
    new = issue.rotate_key(key, HOUR, OWNER, NOW)
    ends = {bytes(row.sha256): row.expires_at for row in Credential.objects.filter(api_key=key)}
    assert ends == {secrets.sha256(old): NOW + HOUR, secrets.sha256(new): None}
    detail = {"grace_seconds": 3600, "last_four": new[-4:]}
    assert trail(key.public_id)[1:] == [(OWNER, "key.rotated", detail)]
    assert APIKey.objects.get() == key


def test_a_later_rotation_never_prolongs_an_older_secret(acme: Workspace) -> None:
    key, first = a_key(acme)
    second = issue.rotate_key(key, HOUR, OWNER, NOW)
    third = issue.rotate_key(key, timedelta(days=7), OWNER, NOW)
    ends = {bytes(row.sha256): row.expires_at for row in Credential.objects.filter(api_key=key)}
    assert ends[secrets.sha256(first)] == NOW + HOUR
    assert ends[secrets.sha256(second)] == NOW + timedelta(days=7)
    assert ends[secrets.sha256(third)] is None
    fourth = issue.rotate_key(key, timedelta(0), OWNER, NOW)
    good = Credential.objects.filter(api_key=key).exclude(expires_at__lte=NOW)
    assert [bytes(row.sha256) for row in good] == [secrets.sha256(fourth)]


def test_a_revoked_or_expired_key_is_not_rotated(acme: Workspace) -> None:
    revoked, _ = a_key(acme)
    issue.revoke_key(revoked, OWNER, NOW)
    with pytest.raises(KeyRevoked) as refused:
        issue.rotate_key(revoked, HOUR, OWNER, NOW)
    assert refused.value.status == 409
    expired, _ = a_key(acme, expires_at=NOW + HOUR)
    with pytest.raises(KeyExpired):
        issue.rotate_key(expired, HOUR, OWNER, NOW + HOUR)
    assert Credential.objects.count() == 2
    assert not AuditEntry.objects.filter(action="key.rotated").exists()


@pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=30, seconds=1), timedelta.max])
def test_a_grace_without_measure_is_refused(acme: Workspace, grace: timedelta) -> None:
    key, _ = a_key(acme)
    with pytest.raises(InvalidGrace):
        issue.rotate_key(key, grace, OWNER, NOW)
    assert Credential.objects.get().expires_at is None


def test_revoking_keeps_the_row_and_the_first_time(acme: Workspace) -> None:
    key, _ = a_key(acme)
    assert issue.revoke_key(key, OWNER, NOW) is True
    assert issue.revoke_key(key, "another person", NOW + HOUR) is False
    key.refresh_from_db()
    assert (key.revoked_at, key.status(NOW)) == (NOW, "revoked")
    assert trail(key.public_id)[1:] == [(OWNER, "key.revoked", {})]


def test_a_gateway_is_made_renamed_rotated_and_revoked_on_record(db: None) -> None:
    gateway, old = issue.create_gateway("Edge", OWNER, NOW)
    assert gateway.public_id.startswith("gw_")
    assert old.startswith("omx_gateway_")
    issue.rename_gateway(gateway, "Edge one", OWNER, NOW)
    issue.rename_gateway(gateway, "Edge one", OWNER, NOW)
    new = issue.rotate_gateway(gateway, HOUR, OWNER, NOW)
    ends = {bytes(row.sha256): row.expires_at for row in Credential.objects.filter(gateway=gateway)}
    assert ends == {secrets.sha256(old): NOW + HOUR, secrets.sha256(new): None}
    assert issue.revoke_gateway(gateway, OWNER, NOW) is True
    assert issue.revoke_gateway(gateway, OWNER, NOW + HOUR) is False
    with pytest.raises(GatewayRevoked):
        issue.rotate_gateway(gateway, HOUR, OWNER, NOW)
    gateway.refresh_from_db()
    assert (gateway.name, gateway.revoked_at) == ("Edge one", NOW)
    assert trail(gateway.public_id) == [
        (OWNER, "gateway.created", {"name": "Edge", "last_four": old[-4:], "workspaces": [], "may_correct_all": False}),
        (OWNER, "gateway.renamed", {"before": "Edge", "after": "Edge one"}),
        (OWNER, "gateway.rotated", {"grace_seconds": 3600, "last_four": new[-4:]}),
        (OWNER, "gateway.revoked", {}),
    ]


@pytest.mark.django_db(transaction=True)
def test_of_many_rotations_at_once_one_secret_stays() -> None:
    acme = issue.create_workspace("Acme", "", TESTS, NOW)
    key, first = a_key(acme)
    secrets_given = at_once(*[lambda: issue.rotate_key(key, timedelta(0), OWNER, NOW)] * 6)
    assert len({first, *secrets_given}) == 7
    lasting = Credential.objects.get(expires_at__isnull=True)
    assert bytes(lasting.sha256) in {secrets.sha256(secret) for secret in secrets_given}
    assert Credential.objects.filter(api_key=key, expires_at=NOW).count() == 6
    assert AuditEntry.objects.filter(action="key.rotated").count() == 6


@pytest.mark.django_db(transaction=True)
def test_a_rotation_that_waited_for_a_revocation_is_refused() -> None:
    acme = issue.create_workspace("Acme", "", TESTS, NOW)
    key, _ = a_key(acme)

    def revoke_slowly() -> None:
        with transaction.atomic():
            issue.revoke_key(key, OWNER, NOW)
            waiting = at_once(lambda: _rotate_impatiently(key))
            assert "lock timeout" in str(waiting[0])

    revoke_slowly()
    assert isinstance(at_once(lambda: issue.rotate_key(key, HOUR, OWNER, NOW))[0], KeyRevoked)
    assert Credential.objects.count() == 1


def _rotate_impatiently(key: APIKey) -> str:
    with transaction.atomic():
        transaction.get_connection().cursor().execute("SET LOCAL lock_timeout = '200ms'")
        return issue.rotate_key(key, HOUR, OWNER, NOW)


@pytest.mark.django_db(transaction=True)
def test_of_many_revocations_at_once_one_counts() -> None:
    acme = issue.create_workspace("Acme", "", TESTS, NOW)
    key, _ = a_key(acme)
    assert sorted(at_once(*[lambda: issue.revoke_key(key, OWNER, NOW)] * 6)) == [False] * 5 + [True]
    assert AuditEntry.objects.filter(action="key.revoked").count() == 1


def test_gateways_have_no_workspace_and_no_key(db: None) -> None:
    issue.create_gateway("Edge", OWNER, NOW)
    assert Gateway.objects.count() == 1
    assert not APIKey.objects.exists()
    assert AuditEntry.objects.get().workspace is None
