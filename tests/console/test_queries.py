"""What a page costs: as many statements for many rows as for few, and none that reads events of everybody."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from metering.ingest.models import Batch
from tests.console.conftest import World
from tests.console.pages import every_page
from tests.kit.factories import GOLDEN_USAGE, NOW, an_event, make_key, make_price, make_workspace, send
from workspaces.members import members
from workspaces.models import Workspace

LISTS = {
    "workspaces_workspace_changelist": 12,
    "workspaces_apikey_changelist": 10,
    "workspaces_user_changelist": 10,
    "workspaces_membership_changelist": 10,
    "workspaces_auditentry_changelist": 10,
    "metering_languagemodel_changelist": 10,
    "metering_priceversion_changelist": 10,
    "metering_usageevent_changelist": 8,
    "metering_usageevent_unpriced": 8,
    "metering_batch_changelist": 8,
    "metering_quarantinedevent_changelist": 13,
    "metering_usagerule_changelist": 11,
    "metering_invoice_changelist": 10,
    "metering_creditnote_changelist": 10,
    "metering_journalentry_changelist": 10,
    "metering_journalentry_trial_balance": 8,
    "index": 25,
}


def statements(console: Client, page: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert console.get(page).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def more_of_everything(world: World) -> None:
    for number in range(6):
        workspace = make_workspace(f"Customer {number}")
        members.add_member(workspace, f"owner{number}@customer.example", "owner", "a test", NOW)
        key = make_key(workspace)
        make_price(f"priced-{number}", workspace=workspace)
        bad = an_event(key, request_id="bad", usage={"prompt_tokens": -1})
        strange = an_event(key, request_id="strange", usage={**GOLDEN_USAGE, f"strange_{number}": 1})
        named = [an_event(key, request_id=name, model=f"{name}-{number}") for name in ("priced", "unpriced")]
        send(world.gateway, [*named, bad, strange])


@pytest.mark.parametrize(("name", "at_most"), LISTS.items())
def test_a_list_costs_the_same_for_many_rows(console: Client, world: World, name: str, at_most: int) -> None:
    page = reverse(f"admin:{name}")
    console.get(page)
    few = statements(console, page)
    more_of_everything(world)
    many = statements(console, page)
    assert len(many) <= len(few) <= at_most, "\n".join(many)


def test_events_are_read_of_one_workspace_only(console: Client, world: World) -> None:
    more_of_everything(world)
    for page in every_page(world):
        for sql in statements(console, page):
            if "metering_usageevent" in sql:
                assert re.search(r"workspace_id\"? = \d+", sql), f"{page}: {sql}"


def test_a_list_of_events_costs_the_same_for_many(
    console: Client, world: World, django_capture_on_commit_callbacks: type
) -> None:
    page = f"{reverse('admin:metering_usageevent_changelist')}?workspace={world.acme.pk}"
    with django_capture_on_commit_callbacks(execute=True):
        console.get(page)  # the first look of a quarter of an hour is recorded, and remembered once that is committed
    few = statements(console, page)
    send(world.gateway, [an_event(world.key, request_id=f"n{number}") for number in range(40)])
    assert len(statements(console, page)) == len(few) <= 10


def test_lists_of_what_gateways_sent_are_neither_counted_nor_read_whole(console: Client, world: World) -> None:
    for name in ("metering_batch", "metering_quarantinedevent"):
        for sql in statements(console, reverse(f"admin:{name}_changelist")):
            if f'FROM "{name}"' in sql:
                assert "LIMIT" in sql, sql
                assert '"body"' not in sql
                assert '"content"' not in sql
    assert Batch.objects.count() == 2


def test_an_ids_search_uses_its_index(console: Client, world: World) -> None:
    """`UPPER(public_id)` would scan the table."""
    for name in ("workspaces_apikey", "metering_batch", "metering_quarantinedevent", "metering_priceversion"):
        for sql in statements(console, f"{reverse(f'admin:{name}_changelist')}?q=bat_1"):
            assert 'UPPER("' + name + '"."public_id"' not in sql
    assert Workspace.objects.count() == 2
