"""Workspaces, members, keys and gateways: each act does what it says, once, and is in the audit trail."""

import re
from datetime import timedelta

from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from tests.console.conftest import OPERATOR, World
from tests.kit.factories import NOW, make_key
from tests.kit.operator import acts_on, submit
from workspaces.access.authentication import authenticate_gateway
from workspaces.keys.secrets import sha256
from workspaces.members import members
from workspaces.models import APIKey, AuditEntry, Credential, Gateway, Invitation, Membership, User, Workspace


def secret_on(answer) -> str:  # type: ignore[no-untyped-def]
    found = re.search(r'id="secret"[^>]*>([^<]+)<', answer.content.decode())
    assert found
    return found[1]


def test_a_workspace_is_created_and_audited(console: Client) -> None:
    answer = submit(console, reverse("admin:workspaces_workspace_add"), name="Birch", email="b@birch.example", sandbox="on")
    workspace = Workspace.objects.get()
    assert answer.status_code == 302
    assert (workspace.name, workspace.email, workspace.sandbox) == ("Birch", "b@birch.example", True)
    assert acts_on(workspace.public_id) == [(OPERATOR, "workspace.created")]


def test_the_list_shows_this_months_spend_and_the_keys(console: Client, world: World) -> None:
    page = console.get(reverse("admin:workspaces_workspace_changelist")).content.decode()
    # three golden events of October; September's is not among them
    assert '<span class="figure" title="0.007947000000 USD">&lt;$0.01</span>' in page
    assert '<span class="figure" title="0.002649000000 USD">&lt;$0.01</span>' in page


def test_a_renamed_workspace_is_in_the_trail(console: Client, world: World) -> None:
    members = {f"{name}-{forms}_FORMS": "0" for name in ("memberships", "invitations") for forms in ("TOTAL", "INITIAL")}
    page = reverse("admin:workspaces_workspace_change", args=[world.acme.pk])
    assert console.post(page, {"name": "Acme Ltd", "email": "", "sandbox": "on", **members}).status_code == 302
    world.acme.refresh_from_db()
    assert (world.acme.name, world.acme.sandbox) == ("Acme Ltd", False)
    entry = AuditEntry.objects.get(action="workspace.changed")
    assert (entry.actor, entry.target, entry.workspace) == (OPERATOR, world.acme.public_id, world.acme)


def test_a_sandbox_stays_a_sandbox(console: Client, world: World) -> None:
    """Turned into a real workspace, it would be billed for all it used as a sandbox."""
    members = {f"{name}-{forms}_FORMS": "0" for name in ("memberships", "invitations") for forms in ("TOTAL", "INITIAL")}
    page = reverse("admin:workspaces_workspace_change", args=[world.sandbox.pk])
    assert 'name="sandbox"' not in console.get(page).content.decode()
    for sandbox in ({}, {"sandbox": ""}, {"sandbox": "false"}):
        assert console.post(page, {"name": "Real", "email": "", **sandbox, **members}).status_code == 302
        world.sandbox.refresh_from_db()
        assert (world.sandbox.name, world.sandbox.sandbox) == ("Real", True)


def test_a_new_keys_secret_is_shown_once_and_kept_nowhere(console: Client, world: World) -> None:
    form = reverse("admin:workspaces_apikey_add")
    answer = submit(console, form, workspace=world.acme.pk, kind="live", name="worker")
    secret = secret_on(answer)
    key = APIKey.objects.get(name="worker")
    assert secret.startswith("omx_live_")
    assert "no-store" in answer["Cache-Control"]
    assert bytes(Credential.objects.get(api_key=key).sha256) == sha256(secret)
    assert secret not in console.get(reverse("admin:workspaces_apikey_change", args=[key.pk])).content.decode()
    assert secret not in str(dict(console.session))
    assert acts_on(key.public_id) == [(OPERATOR, "key.created")]


def test_a_form_sent_again_creates_nothing_more(console: Client, world: World) -> None:
    form = reverse("admin:workspaces_apikey_add")
    token = re.search(r'name="form_token" value="([^"]+)"', console.get(form).content.decode())[1]  # type: ignore[index]
    given = {"form_token": token, "workspace": world.acme.pk, "kind": "live", "name": "worker"}
    console.post(form, given)
    again = console.post(form, given)
    assert "This form was already sent" in again.content.decode()
    assert APIKey.objects.filter(name="worker").count() == 1


def test_a_refused_key_says_why_on_the_form(console: Client, world: World) -> None:
    answer = submit(console, reverse("admin:workspaces_apikey_add"), workspace=world.acme.pk, kind="test", name="worker")
    assert "Test keys are for sandbox workspaces" in answer.content.decode()
    assert not APIKey.objects.filter(name="worker").exists()


def test_a_key_is_rotated_with_grace(console: Client, world: World) -> None:
    created = submit(console, reverse("admin:workspaces_apikey_add"), workspace=world.acme.pk, kind="live", name="worker")
    key = APIKey.objects.get(name="worker")
    answer = submit(console, reverse("admin:workspaces_apikey_rotate", args=[key.pk]), grace="3600")
    old, new = key.credentials.order_by("id")
    assert bytes(old.sha256) == sha256(secret_on(created))
    assert old.expires_at == NOW + timedelta(hours=1)
    assert (bytes(new.sha256), new.expires_at) == (sha256(secret_on(answer)), None)
    assert acts_on(key.public_id) == [(OPERATOR, "key.created"), (OPERATOR, "key.rotated")]


def test_a_revoked_key_stays_revoked(console: Client, world: World) -> None:
    page = reverse("admin:workspaces_apikey_revoke", args=[world.key.pk])
    submit(console, page)
    submit(console, page)
    world.key.refresh_from_db()
    assert world.key.revoked_at == NOW
    assert acts_on(world.key.public_id) == [("a test", "key.renamed"), (OPERATOR, "key.revoked")]
    refused = submit(console, reverse("admin:workspaces_apikey_rotate", args=[world.key.pk]), grace="0")
    assert "This key is revoked and cannot be rotated" in refused.content.decode()
    shown = console.get(reverse("admin:workspaces_apikey_change", args=[world.key.pk])).content.decode()
    assert reverse("admin:workspaces_apikey_rotate", args=[world.key.pk]) not in shown


def test_looking_at_a_form_does_nothing(console: Client, world: World) -> None:
    before = AuditEntry.objects.count()
    for name in ("revoke", "rotate", "change_key"):
        console.get(reverse(f"admin:workspaces_apikey_{name}", args=[world.key.pk]))
    world.key.refresh_from_db()
    assert world.key.revoked_at is None
    assert AuditEntry.objects.count() == before


def test_a_gateways_token_works_until_it_is_revoked(console: Client) -> None:
    token = secret_on(submit(console, reverse("admin:workspaces_gateway_add"), name="eu-9"))
    gateway = Gateway.objects.get(name="eu-9")
    assert authenticate_gateway(f"Bearer {token}", NOW) == gateway
    submit(console, reverse("admin:workspaces_gateway_revoke", args=[gateway.pk]))
    gateway.refresh_from_db()
    assert gateway.revoked_at == NOW
    assert acts_on(gateway.public_id) == [(OPERATOR, "gateway.created"), (OPERATOR, "gateway.revoked")]


def test_a_gateways_reach_is_set_when_it_is_made_and_changed_later(console: Client, world: World) -> None:
    form = reverse("admin:workspaces_gateway_add")
    submit(console, form, name="Acme's own", workspaces=[world.acme.pk], may_correct_all="on")
    gateway = Gateway.objects.get(name="Acme's own")
    assert (list(gateway.workspaces.all()), gateway.may_correct_all) == ([world.acme], True)
    listed = console.get(reverse("admin:workspaces_gateway_changelist")).content.decode()
    assert "what any gateway sent" in listed
    assert "every workspace" in listed  # of the other one
    page = reverse("admin:workspaces_gateway_reach", args=[gateway.pk])
    assert "Acme" in console.get(page).content.decode()
    assert submit(console, page, workspaces=[world.sandbox.pk]).status_code == 302
    gateway.refresh_from_db()
    assert (list(gateway.workspaces.all()), gateway.may_correct_all) == ([world.sandbox], False)
    assert acts_on(gateway.public_id) == [(OPERATOR, "gateway.created"), (OPERATOR, "gateway.reach_changed")]


def test_the_last_owner_cannot_be_removed(console: Client, world: World) -> None:
    member = Membership.objects.get(workspace=world.acme)
    answer = submit(console, reverse("admin:workspaces_membership_remove", args=[member.pk]))
    assert answer.status_code == 200
    assert "last owner" in answer.content.decode()
    members.add_member(world.acme, "new@acme.example", "owner", "a test", NOW)
    submit(console, reverse("admin:workspaces_membership_remove", args=[member.pk]), shown="")
    assert [each.user.email for each in Membership.objects.filter(workspace=world.acme)] == ["new@acme.example"]


def test_an_operator_invites_the_first_owner(console: Client, world: World, mailoutbox: list[EmailMessage]) -> None:
    page = reverse("admin:workspaces_workspace_invite_member", args=[world.acme.pk])
    submit(console, page, email="new@acme.example", role="owner")
    invitation = Invitation.objects.get()
    assert (invitation.role, invitation.by_operator, invitation.state) == ("owner", True, "pending")
    [mail] = mailoutbox
    assert (mail.to, mail.subject) == (["new@acme.example"], "You are invited to a workspace on Omixa billing")
    assert "Invited by: the operator of Omixa billing" in str(mail.body)
    listed = console.get(reverse("admin:workspaces_workspace_change", args=[world.acme.pk])).content.decode()
    assert "new@acme.example" in listed
    again = submit(console, reverse("admin:workspaces_invitation_resend", args=[invitation.pk]))
    assert again.status_code == 302
    submit(console, reverse("admin:workspaces_invitation_withdraw", args=[invitation.pk]))
    invitation.refresh_from_db()
    assert invitation.state == "withdrawn"
    assert acts_on(invitation.public_id) == [(OPERATOR, "invitation.sent"), (OPERATOR, "invitation.withdrawn")]


def test_an_operator_decides_about_the_keys_of_who_leaves(console: Client, world: World) -> None:
    members.add_member(world.acme, "new@acme.example", "owner", "a test", NOW)
    member = Membership.objects.get(workspace=world.acme, user__email="owner@acme.example")
    names = ("their admin", "their other admin", "their live")
    admin, other, live = (make_key(world.acme, name.split()[-1], name) for name in names)
    APIKey.objects.filter(name__startswith="their").update(created_by=member.user)
    page = reverse("admin:workspaces_membership_remove", args=[member.pk])
    text = console.get(page).content.decode()
    assert all(f"{name}: " in text for name in names)
    shown = re.findall(r'name="shown" value="([^"]*)"', text)[0]
    submit(console, page, shown=shown, revoke=[admin.public_id, live.public_id])
    gone = APIKey.objects.filter(revoked_at__isnull=False, name__startswith="their").values_list("name", flat=True)
    assert (set(gone), APIKey.objects.get(pk=other.pk).revoked_at) == ({"their admin", "their live"}, None)


def test_an_operator_limits_a_key(console: Client, world: World) -> None:
    form = reverse("admin:workspaces_apikey_add")
    submit(console, form, workspace=world.acme.pk, kind="admin", name="reader")
    key = APIKey.objects.get(name="reader")
    assert (key.scopes, key.expires_at) == ([], NOW + timedelta(days=365))
    page = reverse("admin:workspaces_apikey_change_key", args=[key.pk])
    submit(console, page, name="payer", scopes=["payments"], expires_at_0="", expires_at_1="")
    key.refresh_from_db()
    assert (key.name, key.scopes, key.expires_at) == ("payer", ["payments"], None)
    actions = [action for _, action in acts_on(key.public_id)]
    assert actions == ["key.created", "key.scopes_changed", "key.renamed", "key.expiry_changed"]
    submit(console, form, workspace=world.acme.pk, kind="admin", name="for ever", scopes=["keys"], never_expires="on")
    assert APIKey.objects.get(name="for ever").expires_at is None


def test_an_operator_makes_another(console: Client) -> None:
    given = {"email": "Second@Omixa.example", "usable_password": "true", "is_staff": "on"}
    given |= {"password1": "a long enough password", "password2": "a long enough password"}
    assert console.post(reverse("admin:workspaces_user_add"), given).status_code == 302
    user = User.objects.get(email="second@omixa.example")
    assert (user.is_staff, user.is_superuser) == (True, False)
    assert acts_on("second@omixa.example") == [(OPERATOR, "user.created")]


def test_keys_are_filtered_by_what_they_are_now(console: Client, world: World) -> None:
    expired = make_key(world.acme, name="expired one")
    APIKey.objects.filter(pk=expired.pk).update(expires_at=NOW)
    listed = reverse("admin:workspaces_apikey_changelist")
    assert b"expired one" in console.get(listed, {"state": "expired"}).content
    assert b"expired one" not in console.get(listed, {"state": "active"}).content
    assert b"production" in console.get(listed, {"state": "active"}).content
