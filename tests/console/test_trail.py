"""The console's audit trail: narrowed, with the state of its chain, and exported."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from tests.factories import NOW, make_workspace
from workspaces import audit
from workspaces.audit import chain
from workspaces.models import AuditEntry, User, Workspace

TRAIL = "/admin/workspaces/auditentry/"


@pytest.fixture
def acme(db: None) -> Workspace:
    return make_workspace("Acme")


@pytest.fixture
def entries(acme: Workspace) -> None:
    audit.record("key_1", "key.revoked", "key_2", acme, now=NOW - timedelta(days=2))
    audit.record("ops@omixa.example", "invoice.voided", "inv_1", acme, now=NOW - timedelta(days=1))
    audit.record("stripe", "payment.disputed", "pay_1", make_workspace("Rival"), now=NOW)


@pytest.mark.parametrize(
    ("query", "targets"),
    [
        ({"actor_kind__exact": "key"}, {"key_2"}),
        ({"action": "invoice.voided"}, {"inv_1"}),
        ({"at_from": "2026-10-13", "at_to": "2026-10-14"}, {"key_2", "inv_1"}),
        ({"action": "invoice.voided", "actor_kind__exact": "key"}, set()),
    ],
)
def test_it_is_narrowed_by_actor_action_and_days(
    console: Client, entries: None, query: dict[str, str], targets: set[str]
) -> None:
    shown = console.get(TRAIL, query).context["cl"].result_list
    assert {entry.target for entry in shown} & {"key_2", "inv_1", "pay_1"} == targets


def test_it_is_narrowed_to_a_workspace(console: Client, entries: None, acme: Workspace) -> None:
    shown = console.get(TRAIL, {"workspace__id__exact": acme.pk}).context["cl"].result_list
    assert {entry.workspace for entry in shown} == {acme}


def test_it_says_whether_the_newest_entries_are_as_they_were_written(console: Client, entries: None) -> None:
    chain.verify()  # which seals what this test's own transaction wrote
    entry = AuditEntry.objects.get(target="inv_1")
    assert ">Holds</p>" in console.get(TRAIL).content.decode()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE workspaces_auditentry SET target = 'inv_2' WHERE id = %s", [entry.pk])
        cursor.execute("SET LOCAL session_replication_role = origin")
    page = console.get(TRAIL).content.decode()
    assert ">Broken</p>" in page
    assert f"At entry {entry.seal.position}: the entry was changed after it was written" in page


def test_an_operator_exports_it_and_that_is_an_entry(console: Client, entries: None, operator: User) -> None:
    chain.verify()
    form = console.get(f"{TRAIL}export/").context["form_token"]
    lines = b"".join(console.post(f"{TRAIL}export/", {"form_token": form}).streaming_content).decode().splitlines()
    assert {json.loads(line)["target"] for line in lines} >= {"key_2", "inv_1", "pay_1"}
    entry = AuditEntry.objects.get(action="trail.exported")
    assert (entry.actor, entry.target) == (operator.email, "all workspaces")
