"""What questions about holds cost where there are many."""

from datetime import timedelta

import pytest
from django.db import connection

from metering.limits.gateway.unaccounted import unaccounted
from tests.kit.factories import NOW, make_gateway, make_key, make_price, make_workspace
from tests.kit.plans import plans, reads_of
from tests.limits.cast import ask

pytestmark = pytest.mark.django_db

HOLDS, DAYS = 60_000, 60
FILL = """
INSERT INTO metering_hold (
    public_id, workspace_id, gateway_id, key_id, request_id, request_hash, asked, model, "user", amount, fixed, per_token,
    balance_held, input_tokens, max_output_tokens, created_at, expires_at, status, answer)
SELECT 'hold_' || number, workspace_id, gateway_id, key_id, 'r' || number, decode(md5(number::text), 'hex'), asked, model,
    "user", amount, fixed, per_token, balance_held, input_tokens, max_output_tokens,
    created_at - number * interval '1 day' * %(days)s / %(holds)s, expires_at, 3, answer
FROM metering_hold, generate_series(%(holds)s, 1, -1) AS number
"""


def test_a_day_of_holds_is_counted_without_reading_the_others() -> None:
    make_price()
    gateway = make_gateway()
    ask(make_key(make_workspace()), gateway)
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"days": DAYS, "holds": HOLDS})
        cursor.execute("SELECT brin_summarize_new_values('holds_by_time')")  # as autovacuum does it
        cursor.execute("ANALYZE metering_hold")
    start = NOW - timedelta(days=30)
    found = unaccounted(start, start + timedelta(days=1), gateway)
    assert found["total"]["unaccounted"]["requests"] == HOLDS // DAYS
    reads = reads_of(plans(lambda: unaccounted(start, start + timedelta(days=1), gateway)), "hold")
    met = sum(node["Actual Rows"] + node.get("Rows Removed by Index Recheck", 0) for node in reads)
    assert [node["Node Type"] for node in reads if node["Relation Name"] == "metering_hold"] == ["Bitmap Heap Scan"]
    assert met < HOLDS / 6


def test_a_hold_is_in_no_more_indexes_than_questions_need() -> None:
    """Each costs something at every request, twice."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'metering_hold'")
        found = sorted(definition.partition(" USING ")[2] for (definition,) in cursor.fetchall())
    assert found == [
        "brin (created_at) WITH (autosummarize='on')",
        "btree (ended_at) WHERE (status = ANY (ARRAY[1, 2]))",
        "btree (id)",
        "btree (public_id)",
        "btree (workspace_id, created_at) WHERE (status = 3)",
        "btree (workspace_id, expires_at) WHERE (status = 0)",
        "btree (workspace_id, request_hash)",
    ]
