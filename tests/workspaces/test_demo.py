import json
import re
import subprocess
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.utils import timezone

from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from workspaces.access.authentication import authenticate_gateway, authenticate_key
from workspaces.demo import OPERATOR, OWNER, Demo, create_demo
from workspaces.models import APIKey, Credential, Gateway, Membership, User, Workspace


def command() -> str:
    out = StringIO()
    call_command("create_demo", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_first_start_leaves_everything_there_is_to_try() -> None:
    demo = create_demo(NOW)
    assert demo is not None
    workspace = Workspace.objects.get()
    assert (workspace.name, workspace.public_id) == ("Demo", demo.workspace_id)
    admin, live = (authenticate_key(secret, timezone.now()) for secret in (demo.admin_key, demo.live_key))
    assert admin.may_manage_keys
    assert live.key is not None
    assert live.key.public_id == demo.live_key_id
    assert authenticate_gateway(f"Bearer {demo.token}", timezone.now()) == Gateway.objects.get()
    owner, operator = User.objects.get(email=OWNER), User.objects.get(email=OPERATOR)
    assert Membership.objects.get().user == owner
    assert Membership.objects.get().role == "owner"
    assert authenticate(username=OWNER, password=demo.owner_password) == owner
    assert authenticate(username=OPERATOR, password=demo.operator_password) == operator
    assert (owner.is_staff, operator.is_staff, operator.is_superuser) == (False, True, True)
    assert demo.owner_password != demo.operator_password


@pytest.mark.django_db
def test_what_is_printed_can_be_read_and_copied() -> None:
    text = command()
    workspace, live = Workspace.objects.get(), APIKey.objects.get(kind="live")
    shown = Credential.objects.get(gateway__isnull=False)
    assert workspace.public_id in text
    assert f"Live key id        {live.public_id}" in text
    assert f"{OWNER}   " in text
    assert f"{OPERATOR}   " in text
    tokens = set(re.findall(r"omx_gateway_\w+", text))
    assert [token[-4:] for token in tokens] == [shown.last_four]
    assert re.search(r"\ncurl -sS http://[^ ]+/gateway/v1/events \\\n", text)


def test_the_printed_curl_sends_an_event_of_this_moment() -> None:
    text = Demo("ws_1", "omx_admin_1", "omx_live_1", "key_1", "omx_gateway_1", "p", "q").text("http://127.0.0.1:1/")
    curl = text[text.index("curl ") :].replace("curl ", "printf '%s\\n' ", 1)
    arguments = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, check=True).stdout
    assert "http://127.0.0.1:1/gateway/v1/events\n" in arguments
    assert "Authorization: Bearer omx_gateway_1\n" in arguments
    (event,) = json.loads(arguments[arguments.index("{") :])["events"]
    assert (event["key_id"], event["model"]) == ("key_1", "codex-mini")
    assert re.fullmatch(r"demo-\d+", event["request_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["occurred_at"])
    assert event["usage"] == {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920},
        "completion_tokens_details": {"reasoning_tokens": 192},
    }


@pytest.mark.django_db
def test_a_later_start_prints_nothing_and_makes_nothing() -> None:
    assert command() != ""
    passwords = sorted(User.objects.values_list("password", flat=True))
    assert command() == ""
    assert (Workspace.objects.count(), APIKey.objects.count(), Gateway.objects.count()) == (1, 2, 1)
    assert sorted(User.objects.values_list("password", flat=True)) == passwords


@pytest.mark.django_db
def test_an_installation_with_a_workspace_gets_no_demo(acme: Workspace) -> None:
    assert command() == ""
    assert list(Workspace.objects.all()) == [acme]
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_first_starts_at_once_make_one_demo() -> None:
    made = at_once(*[lambda: create_demo(NOW)] * 3)
    assert sorted(type(demo).__name__ for demo in made) == ["Demo", "NoneType", "NoneType"]
    assert (Workspace.objects.count(), APIKey.objects.count(), Gateway.objects.count()) == (1, 2, 1)
