from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory

from tests.kit.factories import NOW
from tests.kit.people import a_key, a_member
from tests.kit.tenants import TESTS
from workspaces.access.authentication import (
    Caller,
    authenticate_gateway,
    authenticate_key,
    caller_of_member,
)
from workspaces.errors import Unauthenticated, WrongKindOfCredential
from workspaces.keys import issue, secrets
from workspaces.members.current import HEADER, SESSION_KEY, choose_workspace, membership_of
from workspaces.models import APIKey, Gateway, Workspace

HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def gateway(db: None) -> tuple[Gateway, str]:
    return issue.create_gateway("Edge", TESTS, NOW)


@pytest.mark.parametrize(
    ("kind", "role", "own_key_only", "may_manage"),
    [("live", "key", True, False), ("admin", "admin", False, True)],
)
def test_a_key_speaks_for_its_workspace(acme: Workspace, kind: str, role: str, own_key_only: bool, may_manage: bool) -> None:
    key, secret = a_key(acme, kind)
    caller = authenticate_key(secret, NOW)
    assert (caller.workspace, caller.key, caller.user, caller.role) == (acme, key, None, role)
    assert caller.actor == key.public_id
    assert caller.own_key_only is own_key_only
    assert caller.may_manage_keys is caller.may_see_invoices is caller.may_manage_billing is may_manage
    assert caller.may_manage_members is False


def test_a_test_key_speaks_for_its_sandbox_and_sees_only_itself(sandbox: Workspace) -> None:
    key, secret = a_key(sandbox, "test")
    caller = authenticate_key(secret, NOW)
    assert (caller.workspace, caller.key, caller.own_key_only) == (sandbox, key, True)


@pytest.mark.parametrize(
    ("role", "keys", "members", "invoices", "billing"),
    [
        ("owner", True, True, True, True),
        ("admin", True, False, True, True),
        ("billing", False, False, True, True),
        ("viewer", False, False, False, False),
    ],
)
def test_what_a_member_may_do_follows_from_the_role(
    acme: Workspace, role: str, keys: bool, members: bool, invoices: bool, billing: bool
) -> None:
    caller = caller_of_member(a_member(acme, role))
    assert (caller.may_manage_keys, caller.may_manage_members) == (keys, members)
    assert (caller.may_see_invoices, caller.may_manage_billing) == (invoices, billing)
    assert caller.own_key_only is False
    assert caller.actor == f"{role}@acme.example"


@pytest.mark.parametrize("kind", ["live", "gateway"])
@pytest.mark.parametrize("damage", ["", "short", "checksum", "stranger", "header"])
def test_a_secret_with_a_bad_form_or_checksum_never_reaches_the_database(
    kind: str, damage: str, django_assert_num_queries: Callable[[int], Any], db: None
) -> None:
    secret = secrets.new_secret(kind)
    damaged = {
        "": "",
        "short": secret[:-1],
        "checksum": secret[:-1] + ("a" if secret[-1] != "a" else "b"),
        "stranger": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
        "header": "omx_live_\xe9\x00",
    }[damage]
    with django_assert_num_queries(0):
        with pytest.raises(Unauthenticated):
            authenticate_key(damaged, NOW)
        with pytest.raises(Unauthenticated):
            authenticate_gateway(f"Bearer {damaged}", NOW)


def test_a_well_formed_secret_that_nobody_issued_is_refused_by_one_query(
    django_assert_num_queries: Callable[[int], Any], db: None
) -> None:
    with django_assert_num_queries(1), pytest.raises(Unauthenticated):
        authenticate_key(secrets.new_secret("live"), NOW)
    with django_assert_num_queries(1), pytest.raises(Unauthenticated):
        authenticate_gateway(f"Bearer {secrets.new_secret('gateway')}", NOW)


def test_the_wrong_kind_of_credential_is_told_apart_without_a_query(
    acme: Workspace, gateway: tuple[Gateway, str], django_assert_num_queries: Callable[[int], Any]
) -> None:
    _, live = a_key(acme)
    with django_assert_num_queries(0):
        with pytest.raises(WrongKindOfCredential) as refused:
            authenticate_key(gateway[1], NOW)
        assert refused.value.status == 403
        with pytest.raises(WrongKindOfCredential):
            authenticate_gateway(f"Bearer {live}", NOW)


def test_a_known_key_takes_one_query_and_its_use_is_noted_once_a_minute(
    acme: Workspace, django_assert_num_queries: Callable[[int], Any]
) -> None:
    key, secret = a_key(acme)
    with django_assert_num_queries(2):
        authenticate_key(secret, NOW)
    with django_assert_num_queries(1):
        authenticate_key(secret, NOW + timedelta(seconds=59))
    key.refresh_from_db()
    assert key.last_used_at == NOW
    with django_assert_num_queries(2):
        authenticate_key(secret, NOW + timedelta(seconds=60))
    key.refresh_from_db()
    assert key.last_used_at == NOW + timedelta(seconds=60)


def test_a_slower_request_does_not_turn_last_used_back(acme: Workspace) -> None:
    key, secret = a_key(acme)
    authenticate_key(secret, NOW + HOUR)
    authenticate_key(secret, NOW)
    key.refresh_from_db()
    assert key.last_used_at == NOW + HOUR


def test_an_old_secret_is_good_until_its_grace_is_over(acme: Workspace) -> None:
    key, old = a_key(acme)
    new = issue.rotate_key(key, HOUR, TESTS, NOW)
    assert authenticate_key(old, NOW + HOUR - MOMENT).key == key
    with pytest.raises(Unauthenticated):
        authenticate_key(old, NOW + HOUR)
    assert authenticate_key(new, NOW).key == key
    assert authenticate_key(new, NOW + timedelta(days=400)).key == key


def test_without_grace_an_old_secret_is_refused_at_once(acme: Workspace) -> None:
    key, old = a_key(acme)
    issue.rotate_key(key, timedelta(0), TESTS, NOW)
    with pytest.raises(Unauthenticated):
        authenticate_key(old, NOW)


def test_an_expired_key_is_refused_from_its_last_moment_on(acme: Workspace) -> None:
    key, secret = a_key(acme, expires_at=NOW + HOUR)
    assert authenticate_key(secret, NOW + HOUR - MOMENT).key == key
    with pytest.raises(Unauthenticated):
        authenticate_key(secret, NOW + HOUR)


def test_a_revoked_key_is_refused_with_every_secret_and_its_use_is_not_noted(acme: Workspace) -> None:
    key, old = a_key(acme)
    new = issue.rotate_key(key, HOUR, TESTS, NOW)
    issue.revoke_key(key, TESTS, NOW)
    for secret in (old, new):
        with pytest.raises(Unauthenticated):
            authenticate_key(secret, NOW)
    assert APIKey.objects.get().last_used_at is None


def test_a_gateway_is_known_by_its_token(gateway: tuple[Gateway, str], django_assert_num_queries: Callable[[int], Any]) -> None:
    row, token = gateway
    with django_assert_num_queries(2):
        assert authenticate_gateway(f"Bearer {token}", NOW) == row
    with django_assert_num_queries(1):
        assert authenticate_gateway(f"bearer   {token} ", NOW) == row
    row.refresh_from_db()
    assert row.last_used_at == NOW


def test_a_gateways_old_token_and_a_revoked_gateway_are_refused(gateway: tuple[Gateway, str]) -> None:
    row, old = gateway
    new = issue.rotate_gateway(row, HOUR, TESTS, NOW)
    assert authenticate_gateway(f"Bearer {old}", NOW + HOUR - MOMENT) == row
    with pytest.raises(Unauthenticated):
        authenticate_gateway(f"Bearer {old}", NOW + HOUR)
    issue.revoke_gateway(row, TESTS, NOW)
    with pytest.raises(Unauthenticated):
        authenticate_gateway(f"Bearer {new}", NOW)


@pytest.mark.parametrize("header", [None, "", "Basic dTpw", "omx_gateway_x", "Bearer", "Bearer "])
def test_a_gateway_without_a_token_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        authenticate_gateway(header, NOW)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (None, None),
        ("", None),
        ("Basic dTpw", None),
        ("Bearerx", None),
        ("Bearer", ""),
        ("Bearer x", "x"),
        ("BEARER  x ", "x"),
        ("Bearer x y", "x y"),
    ],
)
def test_a_bearer_secret_is_read_from_the_header(header: str | None, secret: str | None) -> None:
    assert secrets.bearer_secret(header) == secret


def _request(user: Any, session: dict[str, str] | None = None, named: str | None = None) -> Any:
    request: Any = RequestFactory().get("/", headers={} if named is None else {HEADER: named})
    request.user, request.session = user, {} if session is None else session
    return request


def test_a_request_speaks_for_the_named_then_the_chosen_then_the_first_workspace(
    acme: Workspace, rival: Workspace, sandbox: Workspace, django_assert_num_queries: Callable[[int], Any]
) -> None:
    user = a_member(rival, "viewer", "ada@acme.example").user
    a_member(acme, "owner", "ada@acme.example")

    def current(session: dict[str, str] | None = None, named: str | None = None) -> Workspace | None:
        with django_assert_num_queries(1):
            membership = membership_of(_request(user, session, named))
        return membership and membership.workspace

    assert current() == acme
    assert current({SESSION_KEY: rival.public_id}) == rival
    assert current({SESSION_KEY: sandbox.public_id}) == acme
    assert current({SESSION_KEY: acme.public_id}, rival.public_id) == rival
    assert current({SESSION_KEY: acme.public_id}, sandbox.public_id) is None
    assert current(named="") is None


def test_only_a_members_workspace_can_be_chosen(acme: Workspace, rival: Workspace) -> None:
    user = a_member(acme, "viewer").user
    request = _request(user)
    assert choose_workspace(request, rival.public_id) is False
    assert request.session == {}
    assert choose_workspace(request, acme.public_id) is True
    assert request.session == {SESSION_KEY: acme.public_id}


def test_somebody_without_a_workspace_speaks_for_none(acme: Workspace, rival: Workspace) -> None:
    from django.contrib.auth.models import AnonymousUser

    outsider = a_member(rival, "owner", "boss@rival.example")
    outsider.delete()
    assert membership_of(_request(outsider.user)) is None
    assert membership_of(_request(AnonymousUser())) is None
    assert isinstance(caller_of_member(a_member(acme, "owner")), Caller)
