"""Statements on the tables that grow with usage could be carried out by a cluster. Every test watches (tests/kit)."""

import pytest
from django.db import connection

from tests.kit import statements

WORKSPACE = "workspace_id = %(workspace)s"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT id FROM metering_usageevent WHERE {WORKSPACE} ORDER BY id FOR UPDATE",
        "SELECT event.id FROM metering_usageevent event WHERE event.workspace_id = %s FOR UPDATE OF event SKIP LOCKED",
        "SELECT waiting.id FROM metering_quarantinedevent waiting JOIN metering_eventidentity claim"
        " USING (workspace_id) FOR UPDATE OF waiting SKIP LOCKED",
        "SELECT id FROM metering_batch ORDER BY id FOR UPDATE SKIP LOCKED",
        f"SELECT * FROM unnest(%s) AS hours (hour), LATERAL (SELECT FROM metering_usageevent WHERE {WORKSPACE}) AS found",
        "SELECT 1 FROM metering_invoice i WHERE EXISTS (SELECT FROM metering_invoiceline l WHERE l.invoice_id = i.id)",
        "SELECT part.tokens FROM metering_dailyrollup r, LATERAL (VALUES (r.input_tokens)) AS part (tokens)",
        "SELECT 1 AS a FROM metering_dailyrollup LIMIT 1 OFFSET 10",
        "UPDATE metering_hourlyrollup r SET cost = n.cost FROM unnest(%s::int[], %s::numeric[]) AS n (id, cost), now()",
    ],
)
def test_what_a_cluster_carries_out_is_no_fault(sql: str) -> None:
    assert statements.faults_of(sql) == ()


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        (
            "SELECT event.id FROM unnest(%s::int[]) AS wanted (workspace_id) JOIN metering_usageevent event"
            " ON event.workspace_id = wanted.workspace_id FOR UPDATE OF event",
            "FOR UPDATE of more than one workspace",
        ),
        ("SELECT id FROM metering_eventcorrection FOR NO KEY UPDATE", "FOR UPDATE of more than one workspace"),
        (
            'SELECT id FROM workspaces_workspace WHERE EXISTS(SELECT 1 FROM "metering_dailyrollup" U0'
            ' WHERE U0."workspace_id" = ("workspaces_workspace"."id"))',
            "EXISTS asked for each row of another table",
        ),
        (
            "SELECT 1 FROM entry, LATERAL (SELECT * FROM metering_usageevent found WHERE found.id = entry.id) e",
            "LATERAL asked for each row of another table",
        ),
        ("SELECT 1 FROM (SELECT * FROM metering_usageevent OFFSET 0) AS event", "OFFSET 0"),
        (
            "SELECT 1 FROM metering_hourlyrollup, unnest(ARRAY[1], ARRAY[now()]) AS given (number, at)",
            "now() in a FROM of several functions",
        ),
    ],
)
def test_what_a_cluster_could_not_carry_out_is_named(sql: str, fault: str) -> None:
    (found,) = statements.faults_of(sql)
    assert found.startswith(f"{fault}: SELECT ")


@pytest.mark.django_db
def test_every_executed_statement_is_watched() -> None:
    sql = "SELECT id FROM metering_usageevent FOR UPDATE"
    with connection.cursor() as cursor:
        cursor.execute(sql)
    assert statements.found() == [f"FOR UPDATE of more than one workspace: {sql}"]
    assert statements.found() == []
