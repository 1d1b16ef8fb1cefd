"""The console's audit trail: narrowed, with the state of its chain, and exported."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client

from metering.ingest.models import QuarantinedEvent, UsageEvent
from tests.console.conftest import World
from tests.kit.factories import NOW, make_workspace
from workspaces import audit
from workspaces.audit import chain
from workspaces.models import AuditEntry, User, Workspace

TRAIL = "/admin/workspaces/auditentry/"


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


# --- Looks at customers' rows ---------------------------------------------------------------------------------------

# Of a row's number, as a path or a query writes it; Django reads each as the same number.
OTHER_SPELLINGS = ("%2B{}", "{:012d}", "%20{}", "{}%20", "0_{}", "%D9%A0{}")


def looks() -> list[tuple[str, Workspace | None]]:
    return [(each.target, each.workspace) for each in AuditEntry.objects.filter(action="record.viewed").order_by("id")]


@pytest.mark.parametrize("spelling", OTHER_SPELLINGS)
def test_a_row_is_shown_by_the_one_spelling_of_its_number_and_that_look_is_seen(
    world: World, console: Client, spelling: str
) -> None:
    page, invoice = "/admin/metering/invoice/{}/change/", world.invoice
    assert console.get(page.format(spelling.format(invoice.pk))).status_code == 404
    assert looks() == []
    assert console.get(page.format(invoice.pk)).status_code == 200
    assert looks() == [(f"invoice {invoice.public_id}", world.acme)]


@pytest.mark.parametrize("spelling", OTHER_SPELLINGS)
def test_a_list_is_narrowed_by_the_one_spelling_of_a_number_and_that_look_is_seen(
    world: World, console: Client, spelling: str
) -> None:
    event = UsageEvent.objects.get(request_id="today-2")
    one = urlencode({"at": event.occurred_at.isoformat(), "id": event.pk})
    pages = {
        "/admin/metering/usageevent/?workspace={}": "usageevent list",
        f"/admin/metering/usageevent/one/?workspace={{}}&{one}": f"usageevent {event.pk}",
        "/admin/metering/invoice/?workspace__id__exact={}": "invoice list",
    }
    for page in pages:
        assert console.get(page.format(spelling.format(world.acme.pk))).status_code == 404, page
    assert looks() == []
    for page in pages:
        assert console.get(page.format(world.acme.pk)).status_code == 200, page
    assert looks() == [(target, world.acme) for target in pages.values()]


def test_a_list_that_shows_one_workspace_alone_is_a_look_however_it_was_narrowed(world: World, console: Client) -> None:
    assert console.get("/admin/metering/invoice/").status_code == 200
    assert console.get("/admin/metering/invoice/?o=1&p=1").status_code == 200
    assert looks() == []
    for table, query in (
        ("invoice", "q=Acme"),
        ("quarantinedevent", "q=negative"),
    ):
        assert console.get(f"/admin/metering/{table}/?{query}").status_code == 200
    assert looks() == [("invoice list", world.acme), ("quarantinedevent list", world.acme)]


def test_a_list_that_shows_several_workspaces_or_none_is_no_look(world: World, console: Client) -> None:
    assert QuarantinedEvent.objects.filter(workspace=world.acme).exists()
    QuarantinedEvent.objects.filter(request_id="negative").update(workspace=world.sandbox)
    answer = console.get("/admin/metering/quarantinedevent/?state=all")
    assert {each.workspace for each in answer.context["cl"].result_list} == {world.acme, world.sandbox}
    assert console.get("/admin/metering/invoice/?q=nobody").status_code == 200
    assert looks() == []


def test_credit_notes_of_one_workspace_are_a_look_also_where_there_are_none(world: World, console: Client) -> None:
    page = f"/admin/metering/creditnote/?invoice__workspace__id__exact={world.acme.pk}"
    assert console.get(page).status_code == 200
    assert looks() == [("creditnote list", world.acme)]
