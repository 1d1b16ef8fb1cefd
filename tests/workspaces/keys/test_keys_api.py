"""`/api/v1/keys`, over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from tests.kit.people import a_key, a_member, signed_in, trail
from tests.kit.tenants import with_key
from workspaces.access.authentication import authenticate_key
from workspaces.keys import issue, secrets
from workspaces.models import APIKey, AuditEntry, Credential, User, Workspace

__all__ = ["fixed_day"]

KEYS = "/api/v1/keys"
HOUR = timedelta(hours=1)


def error_of(response: Any, status: int, code: str, param: str | None = None) -> str:
    """The message of an error in the one shape."""
    assert response.status_code == status, response.content
    error = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert (error["code"], error["param"]) == (code, param)
    return str(error["message"])


def test_a_new_key_is_shown_with_its_secret_this_once(acme: Workspace, admin: APIClient) -> None:
    made = admin.post(KEYS, {"name": "Server", "expires_at": "2027-01-01T00:00:00+01:00"}, format="json")
    assert made.status_code == 201
    body = made.json()
    secret = body.pop("secret")
    key = APIKey.objects.get(public_id=body["id"])
    assert authenticate_key(secret, NOW).key == key
    assert body == {
        "id": key.public_id,
        "object": "api_key",
        "name": "Server",
        "kind": "live",
        "scopes": None,
        "models": None,
        "prefix": secret[:13],
        "last_four": secret[-4:],
        "status": "active",
        "workspace_id": acme.public_id,
        "created_at": "2026-10-15T12:00:00Z",
        "created_by": None,
        "created_by_key": APIKey.objects.get(kind="admin").public_id,
        "last_used_at": None,
        "expires_at": "2026-12-31T23:00:00Z",
        "revoked_at": None,
        "frozen_at": None,
        "frozen_reason": None,
        "frozen_by": None,
        "frozen_by_key": None,
    }
    again = admin.get(f"{KEYS}/{key.public_id}")
    assert again.status_code == 200
    assert again.json() == body | {"last_used_at": "2026-10-15T12:00:00Z"}
    assert secret not in admin.get(KEYS).content.decode()
    maker = APIKey.objects.get(kind="admin")
    assert [entry[:2] for entry in trail(key.public_id)] == [(maker.public_id, "key.created")]


def test_an_admin_key_may_make_another(admin: APIClient) -> None:
    made = admin.post(KEYS, {"name": "Second", "kind": "admin"}, format="json").json()
    assert made["secret"].startswith("omx_admin_")
    assert with_key(made["secret"]).get(KEYS).status_code == 200


def test_in_a_sandbox_the_usual_key_is_a_test_key(sandbox: Workspace) -> None:
    admin = with_key(a_key(sandbox, "admin")[1])
    assert admin.post(KEYS, {"name": "Trial"}, format="json").json()["kind"] == "test"
    error_of(admin.post(KEYS, {"name": "x", "kind": "live"}, format="json"), 422, "kind_not_for_workspace", "kind")
    assert APIKey.objects.count() == 2


def test_keys_are_listed_newest_first_in_pages(acme: Workspace, rival: Workspace, admin: APIClient) -> None:
    ids = [APIKey.objects.get().public_id, *(a_key(acme, name=f"Key {n}")[0].public_id for n in range(4))]
    a_key(rival)
    first = admin.get(KEYS, {"limit": 2}).json()
    assert (first["object"], [key["id"] for key in first["data"]]) == ("list", [ids[4], ids[3]])
    second = admin.get(KEYS, {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [key["id"] for key in second["data"]] == [ids[2], ids[1]]
    last = admin.get(KEYS, {"limit": 2, "cursor": second["next_cursor"]}).json()
    assert ([key["id"] for key in last["data"]], last["next_cursor"]) == ([ids[0]], None)
    whole = admin.get(KEYS).json()
    assert ([key["id"] for key in whole["data"]], whole["next_cursor"]) == (ids[::-1], None)


def test_a_list_takes_as_many_queries_for_many_keys_as_for_one(
    acme: Workspace, admin: APIClient, django_assert_num_queries: Any
) -> None:
    admin.get(KEYS)
    for n in range(20):
        a_key(acme, name=f"Key {n}")
    with django_assert_num_queries(3):  # who calls, the keys, their credentials
        assert len(admin.get(KEYS).json()["data"]) == 21


def test_a_key_is_renamed_and_its_expiry_moved(acme: Workspace, admin: APIClient) -> None:
    key, secret = a_key(acme)
    url = f"{KEYS}/{key.public_id}"
    changed = admin.patch(url, {"name": "Frontend", "expires_at": "2026-10-15T13:00:00Z"}, format="json")
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["expires_at"]) == ("Frontend", "2026-10-15T13:00:00Z")
    assert "secret" not in changed.json()
    with time_machine.travel(NOW + HOUR, tick=False):
        assert admin.get(url).json()["status"] == "expired"
        assert with_key(secret).get(KEYS).status_code == 401
    assert admin.patch(url, {"expires_at": None}, format="json").json()["expires_at"] is None
    assert admin.patch(url, {}, format="json").json()["name"] == "Frontend"


def test_a_key_is_rotated_with_grace(acme: Workspace, admin: APIClient) -> None:
    key, old = a_key(acme)
    rotated = admin.post(f"{KEYS}/{key.public_id}/rotate", {"grace_seconds": 3600}, format="json")
    assert rotated.status_code == 200
    new = rotated.json()["secret"]
    assert (rotated.json()["id"], rotated.json()["last_four"]) == (key.public_id, new[-4:])
    assert authenticate_key(old, NOW).key == authenticate_key(new, NOW).key == key
    assert Credential.objects.get(sha256=secrets.sha256(old)).expires_at == NOW + HOUR


def test_without_a_body_a_rotation_gives_no_grace(acme: Workspace, admin: APIClient) -> None:
    key, old = a_key(acme)
    assert admin.post(f"{KEYS}/{key.public_id}/rotate").status_code == 200
    assert with_key(old).get(KEYS).status_code == 401


def test_a_key_is_revoked_for_good(acme: Workspace, admin: APIClient) -> None:
    key, secret = a_key(acme)
    url = f"{KEYS}/{key.public_id}"
    revoked = admin.post(f"{url}/revoke")
    assert (revoked.status_code, revoked.json()["status"]) == (200, "revoked")
    with time_machine.travel(NOW + HOUR, tick=False):
        assert admin.post(f"{url}/revoke").json()["revoked_at"] == "2026-10-15T12:00:00Z"
    refused = with_key(secret).get(KEYS)
    error_of(refused, 401, "invalid_credential")
    error_of(admin.post(f"{url}/rotate"), 409, "key_revoked")
    error_of(admin.patch(url, {"expires_at": "2027-01-01T00:00:00Z"}, format="json"), 409, "key_revoked")
    assert APIKey.objects.filter(pk=key.pk).exists()
    assert [entry[1] for entry in trail(key.public_id)] == ["key.created", "key.revoked", "credential.refused"]


def test_a_strangers_key_is_not_found_and_not_touched(rival: Workspace, admin: APIClient) -> None:
    theirs, secret = a_key(rival)
    url = f"{KEYS}/{theirs.public_id}"
    answers = [
        admin.get(url),
        admin.patch(url, {"name": "Mine"}, format="json"),
        admin.post(f"{url}/rotate"),
        admin.post(f"{url}/revoke"),
    ]
    nowhere = admin.get(f"{KEYS}/key_nowhere")
    for answer in answers:
        error_of(answer, 404, "not_found")
        assert answer.json() == nowhere.json()
    error_of(admin.get(KEYS, {"cursor": theirs.public_id}), 400, "invalid_parameter", "cursor")
    theirs.refresh_from_db()
    assert (theirs.name, theirs.status(NOW)) == ("Server", "active")
    assert authenticate_key(secret, NOW).key == theirs
    assert len(trail(theirs.public_id)) == 1


@pytest.mark.parametrize("path", ["/key_%00", "/key_%ff", "/a%2Fb", "/key_0/", "/key_0/rotate/"])
def test_an_id_that_cannot_be_one_is_not_found(admin: APIClient, path: str) -> None:
    error_of(admin.get(KEYS + path), 404, "not_found")


@pytest.mark.parametrize("kind", ["live", "test"])
def test_a_key_for_usage_may_not_manage_keys(acme: Workspace, sandbox: Workspace, kind: str) -> None:
    key, secret = a_key(acme if kind == "live" else sandbox, kind)
    client = with_key(secret)
    url = f"{KEYS}/{key.public_id}"
    for answer in (
        client.get(KEYS),
        client.get(url),
        client.post(KEYS, {"name": "x"}, format="json"),
        client.patch(url, {"name": "x"}, format="json"),
        client.post(f"{url}/rotate"),
        client.post(f"{url}/revoke"),
    ):
        error_of(answer, 403, "permission_denied")
    assert [entry[1] for entry in trail(key.public_id)] == ["key.created"]
    assert APIKey.objects.get(pk=key.pk).name == "Server"


def test_without_a_credential_the_answer_is_a_challenge(db: None) -> None:
    answer = APIClient().get(KEYS)
    error_of(answer, 401, "invalid_credential")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_bad_checksum_is_refused_before_the_database(
    db: None, django_assert_num_queries: Any, django_capture_on_commit_callbacks: Any
) -> None:
    broken = secrets.new_secret("admin")[:-6] + "zzzzzz"
    with django_capture_on_commit_callbacks(execute=True):
        with_key(broken).get(KEYS)  # the first refusal of an hour is recorded, and remembered once that is committed
    with django_assert_num_queries(0):
        answer = with_key(broken).get(KEYS)
    error_of(answer, 401, "invalid_credential")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_gateways_token_is_the_wrong_kind_here(db: None) -> None:
    _, token = issue.create_gateway("Edge", "the tests", NOW)
    error_of(with_key(token).get(KEYS), 403, "wrong_kind_of_credential")


BAD_BODIES: list[tuple[str, str | None]] = [
    ("{", None),
    ("[]", None),
    ('"x"', None),
    ("null", None),
    ("{}", "name"),
    ('{"name": ""}', "name"),
    ('{"name": "  "}', "name"),
    ('{"name": 5}', "name"),
    ('{"name": true}', "name"),
    ('{"name": null}', "name"),
    ('{"name": ["x"]}', "name"),
    ('{"name": "a\\u0000b"}', "name"),
    ('{"name": "a\\ud800b"}', "name"),
    ('{"name": "%s"}' % ("x" * 201), "name"),
    ('{"name": "x", "kind": "root"}', "kind"),
    ('{"name": "x", "kind": "gateway"}', "kind"),
    ('{"name": "x", "kind": null}', "kind"),
    ('{"name": "x", "kind": {}}', "kind"),
    ('{"name": "x", "expires_at": "tomorrow"}', "expires_at"),
    ('{"name": "x", "expires_at": "2027-01-01T00:00:00"}', "expires_at"),
    ('{"name": "x", "expires_at": "0001-01-01T00:00:00+14:00"}', "expires_at"),
    ('{"name": "x", "expires_at": 1800000000}', "expires_at"),
    ('{"name": "x", "expires_at": NaN}', None),
    ('{"name": "x", "expries_at": null}', "expries_at"),
    ('{"name": "x", "secret": "omx_live_mine"}', "secret"),
    ('{"name": "x", "": 1}', ""),
    ("[" * 100_000, None),
]


@pytest.mark.parametrize(("body", "param"), BAD_BODIES)
def test_a_malformed_request_is_refused_and_nothing_is_made(admin: APIClient, body: str, param: str | None) -> None:
    answer = admin.post(KEYS, body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["param"] == param
    assert APIKey.objects.count() == 1


def test_a_body_beyond_all_measure_is_refused_unread(admin: APIClient) -> None:
    body = '{"name": "%s"}' % ("x" * 6 * 1024 * 1024)
    error_of(admin.post(KEYS, body, content_type="application/json"), 413, "body_too_large")
    assert APIKey.objects.count() == 1


def test_a_control_character_in_a_name_is_refused(admin: APIClient) -> None:
    error_of(admin.post(KEYS, {"name": "two\nlines"}, format="json"), 400, "invalid_name", "name")


def test_an_expiry_in_the_past_is_understood_and_refused(admin: APIClient) -> None:
    past = {"name": "x", "expires_at": "2026-10-15T12:00:00Z"}
    error_of(admin.post(KEYS, past, format="json"), 422, "invalid_expiry", "expires_at")
    assert APIKey.objects.count() == 1


@pytest.mark.parametrize("grace", [-1, 2_592_001, 1.5, "60", True, None, 10**30])
def test_a_grace_that_is_none_is_refused_and_the_secret_stays(acme: Workspace, admin: APIClient, grace: Any) -> None:
    key, secret = a_key(acme)
    answer = admin.post(f"{KEYS}/{key.public_id}/rotate", {"grace_seconds": grace}, format="json")
    error_of(answer, 400, "invalid_parameter", "grace_seconds")
    assert authenticate_key(secret, NOW).key == key
    assert key.credentials.count() == 1


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"limit": "1.5"}])
def test_a_list_that_cannot_be_is_refused(admin: APIClient, query: dict[str, Any]) -> None:
    error_of(admin.get(KEYS, query), 400, "invalid_parameter", next(iter(query)))


@pytest.mark.parametrize(("query", "param"), [("nope=1", "nope"), ("limit=1&limit=2", "limit"), ("limits=5", "limits")])
def test_a_query_that_is_not_understood_is_refused(admin: APIClient, query: str, param: str) -> None:
    error_of(admin.get(f"{KEYS}?{query}"), 400, "invalid_parameter", param)


def test_a_nul_in_a_cursor_is_refused(admin: APIClient) -> None:
    error_of(admin.get(f"{KEYS}?cursor=%00"), 400, "invalid_parameter", "cursor")


def test_other_methods_and_other_media_types_are_refused_in_the_one_shape(admin: APIClient) -> None:
    error_of(admin.delete(KEYS), 405, "method_not_allowed")
    error_of(admin.post(KEYS, "name=x", content_type="text/plain"), 415, "unsupported_media_type")


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("billing", 403), ("viewer", 403)])
def test_members_see_keys_by_their_role(acme: Workspace, role: str, status: int) -> None:
    assert signed_in(a_member(acme, role).user).get(KEYS).status_code == status


def test_a_member_makes_a_key_with_a_csrf_token_and_not_without(acme: Workspace) -> None:
    user = a_member(acme, "owner").user
    client = signed_in(user)
    error_of(client.post(KEYS, {"name": "x"}, format="json"), 403, "permission_denied")
    assert not APIKey.objects.exists()
    token = "a" * 32
    client.cookies["csrftoken"] = token
    made = client.post(KEYS, {"name": "x"}, format="json", headers={"X-CSRFToken": token})
    assert made.status_code == 201, made.content
    assert made.json()["created_by"] == "owner@acme.example"
    assert APIKey.objects.get().created_by == user
    assert trail(made.json()["id"])[0][0] == "owner@acme.example"


def test_a_member_speaks_for_the_workspace_in_the_header_or_for_none(acme: Workspace, rival: Workspace) -> None:
    client = signed_in(a_member(acme, "owner").user)
    ours, theirs = a_key(acme)[0], a_key(rival)[0]
    listed = client.get(KEYS, headers={"Omixa-Workspace": acme.public_id}).json()
    assert [key["id"] for key in listed["data"]] == [ours.public_id]
    refused = client.get(KEYS, headers={"Omixa-Workspace": rival.public_id})
    error_of(refused, 403, "permission_denied")
    assert theirs.public_id not in refused.content.decode()


def test_an_operator_without_a_membership_has_no_keys_to_see(acme: Workspace) -> None:
    a_key(acme)
    operator = User.objects.create_superuser("operator@omixa.example", "x")
    error_of(signed_in(operator).get(KEYS), 403, "permission_denied")


def test_a_person_who_was_shut_out_is_not_authenticated(acme: Workspace) -> None:
    user = a_member(acme, "owner").user
    client = signed_in(user)
    User.objects.update(is_active=False)
    error_of(client.get(KEYS), 401, "invalid_credential")


def test_reading_leaves_no_trail(acme: Workspace, admin: APIClient) -> None:
    before = AuditEntry.objects.count()
    admin.get(KEYS)
    admin.get(f"{KEYS}/{APIKey.objects.get().public_id}")
    assert AuditEntry.objects.count() == before
