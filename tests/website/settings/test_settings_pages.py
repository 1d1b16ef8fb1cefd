"""The workspace's settings and members, by role."""

import re
from typing import Any

import pytest
from django.test import Client

from tests.kit.factories import make_key
from tests.kit.pages import text_of
from tests.kit.people import Browser, browser_of, person
from tests.website.conftest import Tenant
from workspaces.models import APIKey, AuditEntry, Invitation, Membership, User


def test_name_and_billing_email_are_changed_and_audited(acme: Tenant, owner: Client) -> None:
    answer = owner.post("/settings", {"name": "Acme Robotics", "email": "Money@Acme.example"})
    assert answer.status_code == 302
    acme.workspace.refresh_from_db()
    assert (acme.workspace.name, acme.workspace.email) == ("Acme Robotics", "money@acme.example")
    changes = AuditEntry.objects.filter(action="workspace.changed")
    assert [entry.actor for entry in changes] == ["owner@acme.example"]
    owner.post("/settings", {"name": "Acme Robotics", "email": "money@acme.example"})
    assert changes.count() == 1


def test_a_viewer_changes_no_settings(acme: Tenant, as_role: Browser) -> None:
    as_role("viewer").post("/settings", {"name": "Mine", "email": ""})
    acme.workspace.refresh_from_db()
    assert acme.workspace.name == "Acme"


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x", "email": "nonsense"}])
def test_wrong_settings_are_not_saved(acme: Tenant, owner: Client, fields: dict[str, str]) -> None:
    assert "field__error" in text_of(owner.post("/settings", fields))
    acme.workspace.refresh_from_db()
    assert acme.workspace.name == "Acme"


def test_a_person_is_invited_even_when_the_mail_cannot_go_out(acme: Tenant, owner: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    answer = owner.post("/settings/members", {"email": "new@acme.example", "role": "viewer"}, follow=True)
    assert "the mail to tell them could not be sent: send it again later." in text_of(answer)
    assert "The mail could not be sent" in text_of(answer)
    assert Invitation.objects.filter(email="new@acme.example", state="pending", mail_failed=True).exists()


def test_roles_change_and_members_go(acme: Tenant, owner: Client) -> None:
    other = Membership.objects.create(
        workspace=acme.workspace, user=User.objects.create_user("other@acme.example"), role="viewer"
    )
    owner.post(f"/settings/members/{other.pk}/role", {"role": "admin"})
    other.refresh_from_db()
    assert other.role == "admin"
    assert "Remove other@acme.example?" in text_of(owner.get(f"/settings/members/{other.pk}/remove"))
    owner.post(f"/settings/members/{other.pk}/remove", {"shown": ""})
    assert not Membership.objects.filter(pk=other.pk).exists()


def test_the_last_owner_stays(acme: Tenant, owner: Client) -> None:
    mine = Membership.objects.get(workspace=acme.workspace)
    for path, fields in (
        (f"/settings/members/{mine.pk}/role", {"role": "viewer"}),
        (f"/settings/members/{mine.pk}/remove", {}),
    ):
        assert "last owner" in text_of(owner.post(path, fields, follow=True))
    mine.refresh_from_db()
    assert mine.role == "owner"


@pytest.mark.parametrize("role", ["admin", "billing", "viewer"])
def test_only_owners_change_members(acme: Tenant, as_role: Browser, role: str) -> None:
    client = as_role(role)
    mine = Membership.objects.get(workspace=acme.workspace)
    assert "Invite a person" not in text_of(client.get("/settings/members"))
    client.post("/settings/members", {"email": "friend@example.com", "role": "owner"})
    assert client.post(f"/settings/members/{mine.pk}/role", {"role": "owner"}).status_code == 403
    assert client.post(f"/settings/members/{mine.pk}/remove").status_code == 403
    assert list(Membership.objects.values_list("role", flat=True)) == [role]
    assert not Invitation.objects.exists()


def test_a_strangers_member_is_a_404(rival: Tenant, owner: Client) -> None:
    theirs = Membership.objects.create(
        workspace=rival.workspace, user=User.objects.create_user("them@rival.example"), role="viewer"
    )
    assert owner.post(f"/settings/members/{theirs.pk}/role", {"role": "owner"}).status_code == 404
    assert owner.post(f"/settings/members/{theirs.pk}/remove").status_code == 404
    assert "them@rival.example" not in text_of(owner.get("/settings/members"))


def test_a_removed_member_is_out_at_once(acme: Tenant) -> None:
    user = person(acme.workspace, "owner")
    client = browser_of(user)
    Membership.objects.filter(user=user).delete()
    assert "You are not in a workspace yet" in text_of(client.get("/usage"))


# --- The keys of who leaves --------------------------------------------------------------------------------------


def a_colleague(acme: Tenant) -> tuple[Membership, APIKey, APIKey]:
    """An admin with an admin and a live key."""
    user = person(acme.workspace, "admin")
    keys = [make_key(acme.workspace, kind, f"their {kind}") for kind in ("admin", "live")]
    APIKey.objects.filter(pk__in=[key.pk for key in keys]).update(created_by=user)
    return Membership.objects.get(user=user), keys[0], keys[1]


def revoked(*keys: APIKey) -> list[bool]:
    return [APIKey.objects.get(pk=key.pk).revoked_at is not None for key in keys]


def boxes(page: str) -> dict[str, bool]:
    """The keys that are offered, and whether each is ticked."""
    found = re.findall(r'<input type="checkbox" name="revoke" value="([^"]+)"([^>]*)>', page)
    return {value: "checked" in rest for value, rest in found}


def shown(page: str) -> str:
    return re.findall(r'name="shown" value="([^"]*)"', page)[0]


def test_removal_lists_the_persons_keys_and_ticks_the_admin_ones(acme: Tenant, owner: Client) -> None:
    member, admin, live = a_colleague(acme)
    page = text_of(owner.get(f"/settings/members/{member.pk}/remove"))
    assert boxes(page) == {admin.public_id: True, live.public_id: False}
    assert "their live (Live, never used)" in page
    owner.post(f"/settings/members/{member.pk}/remove", {"shown": shown(page), "revoke": [admin.public_id]})
    assert revoked(admin, live, acme.key) == [True, False, False]
    assert not Membership.objects.filter(pk=member.pk).exists()


def test_on_removal_live_keys_can_be_revoked_and_admin_keys_kept(acme: Tenant, owner: Client) -> None:
    member, admin, live = a_colleague(acme)
    page = text_of(owner.get(f"/settings/members/{member.pk}/remove"))
    newer = make_key(acme.workspace, "admin", "made meanwhile")
    APIKey.objects.filter(pk=newer.pk).update(created_by=member.user)
    owner.post(f"/settings/members/{member.pk}/remove", {"shown": shown(page), "revoke": [live.public_id]})
    assert revoked(admin, live, newer) == [False, True, True]


def test_keys_of_others_cannot_be_slipped_in(acme: Tenant, owner: Client) -> None:
    member, _, _ = a_colleague(acme)
    answer = owner.post(f"/settings/members/{member.pk}/remove", {"shown": "", "revoke": [acme.key.public_id]})
    assert "field__error" in text_of(answer)
    assert revoked(acme.key) == [False]
    assert Membership.objects.filter(pk=member.pk).exists()


def test_a_demotion_asks_about_the_keys_before_it_happens(acme: Tenant, owner: Client) -> None:
    member, admin, live = a_colleague(acme)
    page = text_of(owner.post(f"/settings/members/{member.pk}/role", {"role": "viewer"}))
    assert "Make admin@acme.example Viewer?" in page
    assert boxes(page) == {admin.public_id: True, live.public_id: False}
    member.refresh_from_db()
    assert (member.role, revoked(admin, live)) == ("admin", [False, False])
    confirmed = {"role": "viewer", "confirmed": "yes", "shown": shown(page), "revoke": [admin.public_id]}
    owner.post(f"/settings/members/{member.pk}/role", confirmed)
    member.refresh_from_db()
    assert (member.role, revoked(admin, live)) == ("viewer", [True, False])


def test_a_role_that_still_manages_keys_is_changed_without_asking(acme: Tenant, owner: Client) -> None:
    member, admin, _ = a_colleague(acme)
    owner.post(f"/settings/members/{member.pk}/role", {"role": "owner"})
    member.refresh_from_db()
    assert (member.role, revoked(admin)) == ("owner", [False])
