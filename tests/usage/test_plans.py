"""What the statements cost: the plans that PostgreSQL really runs, over a busy workspace and a quiet one beside it."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from metering.catalogue.models import PriceVersion
from metering.ingest.models import UsageEvent
from metering.periods import parse_month
from metering.rollups.rebuild import rebuild
from metering.usage.events.events import EventQuestion, events_page, request_attempts
from metering.usage.filters import Filters
from metering.usage.query import BUCKETS, GROUPS, UsageQuestion, usage
from tests.kit.billing import at
from tests.kit.plans import plans, reads_of, rows_read
from tests.kit.tenants import Sender, Tenant, another_key
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
BUSY_EVENTS = 20_000

# Six weeks of events three minutes apart, like the one already there.
FILL = """
INSERT INTO metering_usageevent (
    occurred_at, recorded_at, batch_id, workspace_id, key_id, model_id, price_id, attempt, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, service_tier_id, provider_id, status,
    usage_source, cost, request_id)
SELECT timestamptz '2026-09-01 00:00Z' + number * interval '3 minutes', recorded_at, batch_id, workspace_id, key_id,
    model_id, price_id, attempt, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
    service_tier_id, provider_id, status, usage_source, cost, 'busy-' || number
FROM metering_usageevent, generate_series(1, %s) AS number
"""


@pytest.fixture
def rare(acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion) -> APIKey:
    """A key with eight events in a workspace with 20,000, rebuilt rollups and fresh statistics."""
    send(acme.key, at("10-01T00:00"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_ensure_month('2026-09-01Z')")
        cursor.execute(FILL, [BUSY_EVENTS])
    for month in ("2026-09", "2026-10"):
        rebuild(parse_month(month))
    key, _ = another_key(acme)
    send(key, *[at("10-08T10:30") - timedelta(days=5 * number) for number in range(8)])
    send(rival.key, *[at("10-08T10:30") - timedelta(days=number) for number in range(20)])
    with connection.cursor() as cursor:
        for table in ("usageevent", "hourlyrollup", "dailyrollup", "eventidentity"):
            cursor.execute(f"ANALYZE metering_{table}")
    return key


@pytest.mark.parametrize("bucket", BUCKETS)
def test_usage_over_hours_and_days_never_touches_the_events(acme: Tenant, rare: APIKey, bucket: str) -> None:
    for start, end in ((at("09-01"), at("11-01")), (at("09-03T05:00"), at("10-09T17:00"))):
        question = UsageQuestion(acme.workspace, start, end, bucket=bucket, group_by=GROUPS)
        nodes = plans(lambda asked=question: usage(asked))  # type: ignore[misc]
        assert reads_of(nodes, "usageevent") == []
        assert reads_of(nodes, "hourlyrollup") or reads_of(nodes, "dailyrollup")
        assert bool(reads_of(nodes, "dailyrollup")) == (bucket != "hour")


def test_edges_within_an_hour_read_that_hour_alone(acme: Tenant, rare: APIKey) -> None:
    question = UsageQuestion(acme.workspace, at("10-02T10:15"), at("10-09T13:20"))
    nodes = plans(lambda: usage(question))
    expected = UsageEvent.objects.filter(workspace=acme.workspace)
    first = expected.filter(occurred_at__gte=at("10-02T10:15"), occurred_at__lt=at("10-02T11:00")).count()
    last = expected.filter(occurred_at__gte=at("10-09T13:00"), occurred_at__lt=at("10-09T13:20")).count()
    assert rows_read(reads_of(nodes, "usageevent")) == first + last == 22
    assert all("Index Cond" in node or node["Node Type"] == "Bitmap Heap Scan" for node in reads_of(nodes, "usageevent"))


def test_minutes_and_end_users_read_the_events_of_their_range_by_index(acme: Tenant, rare: APIKey) -> None:
    start, end = at("10-02T10:15"), at("10-02T14:20")
    there = UsageEvent.objects.filter(workspace=acme.workspace, occurred_at__gte=start, occurred_at__lt=end).count()
    for asked in (
        UsageQuestion(acme.workspace, start, end, bucket="minute"),
        UsageQuestion(acme.workspace, start, end, bucket="day", group_by=("user",)),
        UsageQuestion(acme.workspace, start, end, users=("ada",)),
    ):
        nodes = plans(lambda asked=asked: usage(asked))  # type: ignore[misc]
        edges = 3 * 20  # of the hours at both ends, for the count that comes first
        assert there <= rows_read(reads_of(nodes, "usageevent")) <= there + edges
        assert all("Index Cond" in node or node["Node Type"] == "Bitmap Heap Scan" for node in reads_of(nodes, "usageevent"))


def test_a_group_by_price_is_answered_from_rollups(acme: Tenant, rare: APIKey) -> None:
    question = UsageQuestion(acme.workspace, at("09-01"), at("11-01"), bucket="day", group_by=("model", "price"))
    nodes = plans(lambda: usage(question))
    assert (reads_of(nodes, "usageevent"), bool(reads_of(nodes, "dailyrollup"))) == ([], True)


@pytest.mark.parametrize("after", [None, "10-02T12:00"])
def test_a_page_of_events_reads_what_it_shows(acme: Tenant, rare: APIKey, after: str | None) -> None:
    end: datetime | None = None if after is None else at(after)
    nodes = reads_of(plans(lambda: events_page(EventQuestion(acme.workspace, end=end), 50)), "usageevent")
    assert rows_read(nodes) <= 60
    assert {node["Node Type"] for node in nodes} == {"Index Scan"}
    assert all("pkey" in node["Index Name"] and "workspace_id" in node["Index Cond"] for node in nodes)


def test_the_next_page_goes_on_in_the_index(acme: Tenant, rare: APIKey) -> None:
    question = EventQuestion(acme.workspace)
    rows, _ = events_page(question, 5_000)
    nodes = reads_of(plans(lambda: events_page(question, 50, rows[-1].position)), "usageevent")
    assert rows_read(nodes) <= 60


def test_a_rare_keys_page_reads_only_the_hours_it_was_used_in(acme: Tenant, rare: APIKey) -> None:
    for filters, own_key in ((Filters(key_id=(rare.public_id,)), None), (Filters(), rare)):
        question = EventQuestion(acme.workspace, filters=filters, own_key=own_key)
        found, more = events_page(question, 50)
        assert (len(found), more) == (8, None)
        nodes = reads_of(plans(lambda asked=question: events_page(asked, 50)), "usageevent")  # type: ignore[misc]
        assert rows_read(nodes) < 8 * 40
        assert "Seq Scan" not in {node["Node Type"] for node in nodes if rows_read([node])}  # but of an empty month


def test_a_common_keys_page_stops_when_it_is_full(acme: Tenant, rare: APIKey) -> None:
    question = EventQuestion(acme.workspace, filters=Filters(key_id=(acme.key.public_id,)))
    nodes = plans(lambda: events_page(question, 50))
    assert rows_read(reads_of(nodes, "usageevent")) <= 200
    assert rows_read(reads_of(nodes, "hourlyrollup")) <= 200


def test_the_attempts_of_a_request_are_found_by_their_claims(acme: Tenant, rare: APIKey) -> None:
    nodes = plans(lambda: request_attempts(acme.workspace, "req-1"))
    assert rows_read(reads_of(nodes, "usageevent")) <= 3
    assert rows_read(reads_of(nodes, "eventidentity")) <= 30
