"""What the commands print and how they refuse, as a program sees it: standard output, standard error, exit code."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from omixa_billing.api.errors import Refusal
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.access.authentication import authenticate_gateway, authenticate_key
from workspaces.management.commands.create_gateway import Command as CreateGateway
from workspaces.management.commands.create_workspace import Command as CreateWorkspace
from workspaces.models import APIKey, AuditEntry, Gateway, Workspace


def run(command: JsonCommand, name: str, *arguments: str) -> int:
    """Run it as `manage.py NAME ARGUMENTS` does; its exit code."""
    try:
        command.run_from_argv(["manage.py", name, *arguments])
    except SystemExit as exit:
        return int(exit.code or 0)
    return 0


@pytest.mark.django_db(transaction=True)
def test_a_workspace_is_printed_as_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CreateWorkspace(), "create_workspace", "Acme Łódź", "--email", "bills@acme.example") == 0
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert out == json.dumps(printed) + "\n"
    assert err == ""
    assert set(printed) == {"workspace_id", "admin_key", "live_key", "live_key_id"}
    workspace = Workspace.objects.get()
    assert (workspace.public_id, workspace.name) == (printed["workspace_id"], "Acme Łódź")
    assert (workspace.email, workspace.sandbox) == ("bills@acme.example", False)
    admin, live = (authenticate_key(printed[name], timezone.now()) for name in ("admin_key", "live_key"))
    assert admin.workspace == live.workspace == workspace
    assert admin.may_manage_keys
    assert live.key is not None
    assert (live.key.public_id, live.key.kind) == (printed["live_key_id"], "live")
    assert list(AuditEntry.objects.order_by("id").values_list("actor", "action")) == [
        (command_actor("create_workspace"), "workspace.created"),
        (command_actor("create_workspace"), "key.created"),
        (command_actor("create_workspace"), "key.created"),
    ]


@pytest.mark.django_db
def test_a_sandbox_gets_a_test_key() -> None:
    printed = CreateWorkspace().act(name="Trial", email="", sandbox=True)
    assert set(printed) == {"workspace_id", "admin_key", "test_key", "test_key_id"}
    assert Workspace.objects.get().sandbox is True
    assert APIKey.objects.get(public_id=printed["test_key_id"]).kind == "test"


@pytest.mark.django_db(transaction=True)
def test_a_gateway_is_printed_as_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CreateGateway(), "create_gateway", "Edge") == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"gateway_id", "token"}
    gateway = authenticate_gateway(f"Bearer {printed['token']}", timezone.now())
    assert (gateway.public_id, gateway.name) == (printed["gateway_id"], "Edge")


@pytest.mark.django_db(transaction=True)
def test_a_gateway_is_bound_to_the_workspaces_that_the_command_names(capsys: pytest.CaptureFixture[str]) -> None:
    acme, birch, _ = (Workspace.objects.create(name=name) for name in ("Acme", "Birch", "Cedar"))
    named = ["--workspace", acme.public_id, "--workspace", birch.public_id]
    assert run(CreateGateway(), "create_gateway", "Edge", *named, "--may-correct-all") == 0
    gateway = Gateway.objects.get(public_id=json.loads(capsys.readouterr().out)["gateway_id"])
    assert (list(gateway.workspaces.all()), gateway.may_correct_all) == ([acme, birch], True)


@pytest.mark.django_db(transaction=True)
def test_a_gateway_for_a_workspace_that_is_none_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CreateGateway(), "create_gateway", "Edge", "--workspace", "ws_none") == 1
    assert capsys.readouterr() == ("", "There is no workspace 'ws_none'.\n")
    assert not Gateway.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([" "], "The name is empty: give it at least one character."),
        (["Acme", "--email", "nobody"], "'nobody' is not an email address."),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert run(CreateWorkspace(), "create_workspace", *arguments) == 1
    assert capsys.readouterr() == ("", sentence + "\n")
    assert not Workspace.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_missing_argument_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CreateGateway(), "create_gateway") == 2
    sentence = "manage.py create_gateway: error: the following arguments are required: NAME\n"
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.django_db
def test_called_from_python_a_refusal_is_a_command_error() -> None:
    with pytest.raises(CommandError, match=r"^The name is empty"):
        call_command("create_gateway", " ")
    assert not Gateway.objects.exists()


class Acts(JsonCommand):
    """Does what the test says."""

    def __init__(self, outcome: Any, exit_code: int = 0) -> None:
        super().__init__()
        self.outcome, self.code = outcome, exit_code

    def act(self, **options: Any) -> dict[str, Any]:
        print("noise")
        self.exit_code = self.code
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if callable(self.outcome):
            self.outcome()
        return {"ok": self.code == 0}


def test_whatever_else_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Acts(None), "acts") == 0
    assert capsys.readouterr() == ('{"ok": true}\n', "noise\n")


def test_a_command_may_print_and_still_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Acts(None, exit_code=1), "acts") == 1
    assert capsys.readouterr().out == '{"ok": false}\n'


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Refusal("Not today."), "Not today."),
        (OperationalError("no route\n\tto host"), "The database did not answer: no route to host"),
    ],
)
def test_a_refusal_or_an_absent_database_has_no_traceback(
    capsys: pytest.CaptureFixture[str], error: Exception, sentence: str
) -> None:
    assert run(Acts(error), "acts") == 1
    assert capsys.readouterr() == ("", f"noise\n{sentence}\n")


def test_our_own_value_error_is_a_sentence_and_a_librarys_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    from metering.periods import parse_month

    assert run(Acts(lambda: parse_month("October")), "acts") == 1
    assert capsys.readouterr().err == "noise\n'October' is not a month: write it as 2026-10.\n"
    with pytest.raises(ValueError, match="Expecting value"):
        run(Acts(lambda: json.loads("October")), "acts")
    with pytest.raises(KeyError):
        run(Acts(KeyError("x")), "acts")
