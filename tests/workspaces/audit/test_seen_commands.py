"""Commands leave entries in the name of the account that runs them, and people hear of what they change."""

from io import StringIO

import pytest
from django.contrib.auth.management.commands import changepassword
from django.core import mail
from django.core.management import call_command

from omixa_billing import command_actor
from tests.kit.factories import NOW
from tests.kit.people import a_member
from workspaces import audit
from workspaces.models import AuditEntry, Workspace


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def of(action: str) -> list[tuple[str, str, Workspace | None]]:
    found = AuditEntry.objects.filter(action=action).order_by("id")
    return [(entry.actor, entry.target, entry.workspace) for entry in found]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    return "ada"


def test_a_password_that_a_command_changes_is_an_entry_and_mailed_to_the_person(
    acme: Workspace, account: str, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: type
) -> None:
    user = a_member(acme, "owner").user
    before = len(of("password.changed"))
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda *_: "quite another long password")
    monkeypatch.setattr(command_actor, "_running", ["changepassword"])
    with django_capture_on_commit_callbacks(execute=True):
        run("changepassword", user.email)
    assert of("password.changed")[before:] == [("command:changepassword by ada", user.email, acme)]
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == ([user.email], "Your password was changed at Omixa billing")
    assert "An operator of Omixa billing did this" in str(sent.body)


def test_a_printed_link_is_an_entry_of_the_persons_workspace(acme: Workspace, account: str) -> None:
    user = a_member(acme, "owner").user
    run("password_link", user.email)
    assert of("password_link.printed") == [("command:password_link by ada", user.email, acme)]


def test_an_invitation_by_a_command_names_the_account(acme: Workspace, account: str) -> None:
    run("invite", acme.public_id, "eve@acme.example")
    assert [(actor, workspace) for actor, _, workspace in of("invitation.sent")] == [("command:invite by ada", acme)]


def test_an_export_of_the_trail_is_in_the_trail_and_in_the_export(
    transactional_db: None, acme: Workspace, account: str
) -> None:
    audit.record("the tests", "key.revoked", "key_1", now=NOW)
    assert '"action": "trail.exported"' in run("export_audit")
    run("export_audit", "--workspace", acme.public_id)
    who = "command:export_audit by ada"
    assert of("trail.exported") == [(who, "all workspaces", None), (who, acme.public_id, acme)]


def test_a_loaded_catalogue_is_an_entry_when_something_was_missing(db: None, account: str) -> None:
    for _ in range(2):
        run("load_catalogue")
    assert of("catalogue.loaded") == [("command:load_catalogue by ada", "the seed catalogue", None)]


def test_rebuilt_rollups_are_an_entry(db: None, account: str) -> None:
    run("rebuild_rollups", "--month", "2026-09")
    assert of("rollups.rebuilt") == [("command:rebuild_rollups by ada", "2026-09", None)]
