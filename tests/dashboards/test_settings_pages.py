"""The workspace's settings and members, by role."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client

from tests.dashboards.conftest import Browser, Tenant, browser_of, person, text_of
from tests.factories import NOW
from workspaces.models import AuditEntry, Membership, User


def test_name_and_billing_email_are_changed_and_audited(acme: Tenant, owner: Client) -> None:
    answer = owner.post("/settings", {"name": "Acme Robotics", "email": "Money@Acme.example"})
    assert answer.status_code == 302
    acme.workspace.refresh_from_db()
    assert (acme.workspace.name, acme.workspace.email) == ("Acme Robotics", "money@acme.example")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor) == ("workspace.changed", "owner@acme.example")
    owner.post("/settings", {"name": "Acme Robotics", "email": "money@acme.example"})
    assert AuditEntry.objects.count() == 1


def test_a_viewer_changes_no_settings(acme: Tenant, as_role: Browser) -> None:
    as_role("viewer").post("/settings", {"name": "Mine", "email": ""})
    acme.workspace.refresh_from_db()
    assert acme.workspace.name == "Acme"


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x", "email": "nonsense"}])
def test_wrong_settings_are_not_saved(acme: Tenant, owner: Client, fields: dict[str, str]) -> None:
    assert "field__error" in text_of(owner.post("/settings", fields))
    acme.workspace.refresh_from_db()
    assert acme.workspace.name == "Acme"


def test_somebody_new_is_invited_with_a_link_to_set_a_password(acme: Tenant, owner: Client) -> None:
    answer = owner.post("/settings/members", {"email": "new@acme.example", "role": "billing"}, follow=True)
    assert "We sent them an invitation with a link to set their password." in text_of(answer)
    member = Membership.objects.get(user__email="new@acme.example")
    assert (member.workspace, member.role, member.user.has_usable_password()) == (acme.workspace, "billing", False)
    [sent] = mail.outbox
    assert sent.to == ["new@acme.example"]
    assert sent.subject == "owner@acme.example added you to Acme on Omixa billing"
    assert "http://127.0.0.1:8000/accounts/password/reset/key/" in sent.body
    assert "Your role there: Billing." in sent.body


def test_somebody_with_an_account_is_told_to_sign_in_as_before_and_only_once(acme: Tenant, owner: Client) -> None:
    User.objects.create_user("known@acme.example", "a long password")
    owner.post("/settings/members", {"email": "known@acme.example", "role": "viewer"})
    [sent] = mail.outbox
    assert sent.subject == "owner@acme.example added you to Acme on Omixa billing"
    assert "Sign in with known@acme.example as before:" in sent.body
    assert "/password/reset/" not in sent.body
    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        again = owner.post("/settings/members", {"email": "known@acme.example", "role": "viewer"}, follow=True)
    assert "known@acme.example is a member already." in text_of(again)
    assert len(mail.outbox) == 1


def test_a_member_is_added_even_when_the_mail_cannot_go_out(acme: Tenant, owner: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    answer = owner.post("/settings/members", {"email": "new@acme.example", "role": "viewer"}, follow=True)
    assert "the mail to tell them could not be sent" in text_of(answer)
    assert Membership.objects.filter(user__email="new@acme.example").exists()


def test_roles_change_and_members_go(acme: Tenant, owner: Client) -> None:
    other = Membership.objects.create(
        workspace=acme.workspace, user=User.objects.create_user("other@acme.example"), role="viewer"
    )
    owner.post(f"/settings/members/{other.pk}/role", {"role": "admin"})
    other.refresh_from_db()
    assert other.role == "admin"
    assert "Remove other@acme.example?" in text_of(owner.get(f"/settings/members/{other.pk}/remove"))
    owner.post(f"/settings/members/{other.pk}/remove")
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
    assert "Add member" not in text_of(client.get("/settings/members"))
    client.post("/settings/members", {"email": "friend@example.com", "role": "owner"})
    assert client.post(f"/settings/members/{mine.pk}/role", {"role": "owner"}).status_code == 403
    assert client.post(f"/settings/members/{mine.pk}/remove").status_code == 403
    assert list(Membership.objects.values_list("role", flat=True)) == [role]


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
