"""Keys through the pages: made, shown once, renamed, rotated, revoked, and all of it by role."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from tests.kit.factories import NOW, make_key, make_workspace
from tests.kit.pages import text_of
from tests.kit.people import Browser, browser_of, person
from tests.website.conftest import Tenant
from workspaces.keys.freezing import freeze_key
from workspaces.models import APIKey, AuditEntry

SECRET = re.compile(r"omx_(?:live|test|admin)_[0-9A-Za-z]{36}")


def made(client: Client, **fields: str) -> tuple[str, str]:
    """The page after making a key, and the secret on it."""
    page = text_of(client.post("/keys/new", {"name": "laptop", "kind": "live", "expires": "", **fields}))
    [secret] = SECRET.findall(page)
    return page, secret


def status_with(secret: str) -> int:
    return Client().get("/api/v1/key", headers={"Authorization": f"Bearer {secret}"}).status_code


def test_a_new_keys_secret_is_shown_once_and_works(acme: Tenant, owner: Client) -> None:
    _, secret = made(owner)
    key = APIKey.objects.get(name="laptop")
    assert (key.workspace, key.kind, key.expires_at) == (acme.workspace, "live", None)
    assert key.created_by is not None
    assert key.created_by.email == "owner@acme.example"
    assert status_with(secret) == 200
    for address in ("/keys", f"/keys/{key.public_id}"):
        text = text_of(owner.get(address))
        assert secret not in text
        assert f"…{secret[-4:]}" in text


def test_the_page_with_the_secret_is_not_kept_anywhere(acme: Tenant, owner: Client) -> None:
    answer = owner.post("/keys/new", {"name": "laptop", "kind": "live", "expires": ""})
    assert "no-store" in answer["Cache-Control"]
    assert not any("omx_live" in str(value) for value in owner.session.values())


def test_an_expiry_can_be_chosen(acme: Tenant, owner: Client) -> None:
    made(owner, expires="30")
    assert APIKey.objects.get(name="laptop").expires_at == NOW + timedelta(days=30)


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x" * 201}, {"kind": "gateway"}, {"kind": "test"}, {"expires": "5"}])
def test_a_wrong_form_makes_no_key(acme: Tenant, owner: Client, fields: dict[str, str]) -> None:
    answer = owner.post("/keys/new", {"name": "laptop", "kind": "live", "expires": "", **fields})
    assert answer.status_code == 200
    assert "field__error" in text_of(answer)
    assert APIKey.objects.filter(workspace=acme.workspace).count() == 1


def test_a_sandbox_offers_test_keys(db: None) -> None:
    client = browser_of(person(make_workspace("Play", sandbox=True), "owner"))
    assert 'value="live"' not in text_of(client.get("/keys/new"))
    _, secret = made(client, kind="test")
    assert secret.startswith("omx_test_")


@pytest.mark.parametrize("role", ["billing", "viewer"])
def test_who_may_not_manage_keys_sees_them_and_changes_nothing(acme: Tenant, as_role: Browser, role: str) -> None:
    client = as_role(role)
    address = f"/keys/{acme.key.public_id}"
    listed = text_of(client.get("/keys"))
    assert "server" in listed
    assert "Revoke" not in listed
    assert "Create key" not in listed
    for path in ("/keys/new", f"{address}/rotate", f"{address}/revoke"):
        assert client.get(path).status_code == 403
        assert client.post(path, {"name": "x", "kind": "live", "grace": "0"}).status_code == 403
    client.post(address, {"name": "renamed"})
    acme.key.refresh_from_db()
    assert (acme.key.name, acme.key.revoked_at) == ("server", None)
    assert not AuditEntry.objects.filter(action__startswith="key.").exists()


def test_a_key_is_renamed(acme: Tenant, owner: Client) -> None:
    answer = owner.post(f"/keys/{acme.key.public_id}", {"name": " new name "})
    assert answer.status_code == 302
    acme.key.refresh_from_db()
    assert acme.key.name == "new name"
    assert "The key is saved." in text_of(owner.get(answer["Location"]))


def test_a_rotated_key_has_a_grace(acme: Tenant, owner: Client) -> None:
    _, old = made(owner)
    key = APIKey.objects.get(name="laptop")
    page = text_of(owner.post(f"/keys/{key.public_id}/rotate", {"grace": "3600"}))
    [new] = SECRET.findall(page)
    assert new != old
    assert "keeps working until" in page
    assert (status_with(old), status_with(new)) == (200, 200)
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        assert (status_with(old), status_with(new)) == (401, 200)


def test_a_revoked_key_stops_and_cannot_be_rotated(acme: Tenant, owner: Client) -> None:
    _, secret = made(owner)
    key = APIKey.objects.get(name="laptop")
    assert "Revoke “laptop”?" in text_of(owner.get(f"/keys/{key.public_id}/revoke"))
    assert status_with(secret) == 200
    assert owner.post(f"/keys/{key.public_id}/revoke")["Location"] == "/keys"
    assert status_with(secret) == 401
    answer = owner.post(f"/keys/{key.public_id}/rotate", {"grace": "0"}, follow=True)
    assert "revoked and cannot be rotated" in text_of(answer)
    assert not SECRET.search(text_of(answer))


def test_a_key_is_frozen_and_unfrozen_and_its_page_says_so(acme: Tenant, owner: Client) -> None:
    _, secret = made(owner)
    key = APIKey.objects.get(name="laptop")
    address = f"/keys/{key.public_id}"
    assert "Freeze “laptop”?" in text_of(owner.get(f"{address}/freeze"))
    page = text_of(owner.post(f"{address}/freeze", follow=True))
    assert "This key is frozen: requests with it are refused" in page
    assert "owner@acme.example froze it." in page
    assert "Secrets that work" not in page
    assert f"{address}/unfreeze" in page
    assert status_with(secret) == 403
    assert "Every secret of it works again." in text_of(owner.get(f"{address}/unfreeze"))
    page = text_of(owner.post(f"{address}/unfreeze", follow=True))
    assert "frozen" not in page.lower().replace("freeze", "")
    assert status_with(secret) == 200


def test_a_leaked_keys_page_says_to_rotate_it_first(acme: Tenant, owner: Client) -> None:
    freeze_key(acme.key, "the tests", NOW, reason=APIKey.Freeze.LEAKED)
    page = text_of(owner.get(f"/keys/{acme.key.public_id}"))
    assert "Its secret was found in public. Rotate the key, use the new secret, then unfreeze it." in page
    assert "Everyone who has seen it can use it again." in text_of(owner.get(f"/keys/{acme.key.public_id}/unfreeze"))


def test_a_strangers_key_is_a_404(rival: Tenant, owner: Client) -> None:
    for path in ("", "/rotate", "/revoke", "/freeze", "/unfreeze"):
        address = f"/keys/{rival.key.public_id}{path}"
        assert owner.get(address).status_code == 404
        assert owner.post(address, {"name": "mine", "grace": "0"}).status_code == 404
    rival.key.refresh_from_db()
    assert (rival.key.name, rival.key.revoked_at) == ("rival server", None)
    assert "rival" not in text_of(owner.get("/keys"))


def test_a_form_without_its_token_is_refused(acme: Tenant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person(acme.workspace, "owner"))
    answer = client.post("/keys/new", {"name": "laptop", "kind": "live"})
    assert answer.status_code == 403
    assert "This form is too old" in text_of(answer)
    assert not APIKey.objects.filter(name="laptop").exists()


def test_a_name_cannot_become_markup(acme: Tenant, owner: Client) -> None:
    make_key(acme.workspace, name="<img src=x onerror=alert(1)>")
    assert "<img src=x" not in text_of(owner.get("/keys"))


# --- Admin keys, limited and for a time --------------------------------------------------------------------------


def test_an_admin_key_is_made_with_the_scopes_that_are_ticked_and_lasts_a_year(acme: Tenant, owner: Client) -> None:
    page = text_of(owner.get("/keys/new"))
    assert page.count(" checked") == 2
    assert '<option value="usual" selected>Admin keys in 365 days, live keys never</option>' in page
    owner.post("/keys/new", {"name": "reader", "kind": "admin", "expires": "usual"})
    owner.post("/keys/new", {"name": "payer", "kind": "admin", "scopes": ["payments"], "expires": ""})
    owner.post("/keys/new", {"name": "caller", "kind": "live", "scopes": ["keys", "payments"], "expires": "usual"})
    made_keys = {key.name: (key.scopes, key.expires_at) for key in APIKey.objects.exclude(name="server")}
    assert made_keys == {
        "reader": ([], NOW + timedelta(days=365)),
        "payer": (["payments"], None),
        "caller": ([], None),
    }
    listed = text_of(owner.get("/keys"))
    assert "Admin, read-only" in listed
    assert "Admin, no keys" in listed


def test_an_admin_key_is_limited_and_renewed_on_its_page(acme: Tenant, owner: Client) -> None:
    key = make_key(acme.workspace, "admin", "robot")
    address = f"/keys/{key.public_id}"
    assert "Beside reading, the key may" in text_of(owner.get(address))
    owner.post(address, {"name": "robot", "scopes": ["keys"], "expires": "90"})
    key.refresh_from_db()
    assert (key.scopes, key.expires_at) == (["keys"], NOW + timedelta(days=90))
    owner.post(address, {"name": "robot 2", "scopes": ["keys"], "expires": "unchanged"})
    key.refresh_from_db()
    assert (key.name, key.scopes, key.expires_at) == ("robot 2", ["keys"], NOW + timedelta(days=90))
    actions = AuditEntry.objects.filter(target=key.public_id).order_by("id").values_list("action", flat=True)
    assert list(actions) == ["key.scopes_changed", "key.expiry_changed", "key.renamed"]


def test_a_live_key_offers_no_scopes(acme: Tenant, owner: Client) -> None:
    assert "Beside reading" not in text_of(owner.get(f"/keys/{acme.key.public_id}"))
    assert owner.post(f"/keys/{acme.key.public_id}", {"name": "x", "scopes": ["keys"]}).status_code == 302
    acme.key.refresh_from_db()
    assert acme.key.name == "x"


def test_a_key_that_expires_within_two_weeks_is_named_before_it_does(acme: Tenant, owner: Client) -> None:
    key = make_key(acme.workspace, "admin", "robot")
    APIKey.objects.filter(pk=key.pk).update(expires_at=NOW + timedelta(days=14, seconds=1))
    assert "expires soon" not in text_of(owner.get("/keys"))
    APIKey.objects.filter(pk=key.pk).update(expires_at=NOW + timedelta(days=14))
    assert "A key expires soon" in text_of(owner.get("/keys"))
    assert "Requests with it are refused from then on." in text_of(owner.get(f"/keys/{key.public_id}"))
    with time_machine.travel(NOW + timedelta(days=14), tick=False):
        assert "expires soon" not in text_of(owner.get("/keys"))
