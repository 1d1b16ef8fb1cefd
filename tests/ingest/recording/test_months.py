"""Months of events are made ahead of time. One that is missing all the same is made outside of the worker's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from metering.ingest.directory import directory
from metering.ingest.intake.retention import tend_inbox
from metering.ingest.models import QuarantinedEvent, UsageEvent
from metering.ingest.recording.months import make_months_ahead
from tests.isolation import partitions
from tests.kit.factories import NOW, an_event, send
from workspaces.models import APIKey, Gateway

LONG_PAST = "2025-12-31T23:59:59Z"
MADE = "metering_ensure_month"


def months() -> set[str]:
    return {name.removeprefix("metering_usageevent_") for name in partitions() if "usageevent" in name}


@contextmanager
def months_made() -> Iterator[list[bool]]:
    """Of each month that is made: whether a transaction was open."""
    made: list[bool] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        if MADE in str(sql):
            made.append(connection.in_atomic_block)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield made


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_month_without_partition_is_recorded(gateway: Gateway, key: APIKey) -> None:
    assert "2025_12" not in months()
    with months_made() as made:
        batch = send(gateway, [an_event(key), an_event(key, request_id="old", occurred_at=LONG_PAST)])
    assert (batch.recorded + batch.unpriced, batch.failures) == (2, 0)
    assert UsageEvent.objects.get(request_id="old").occurred_at == datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert "2025_12" in months()
    assert made == [False] * len(made) != []


@pytest.mark.django_db(transaction=True)
def test_also_where_a_neighbour_is_at_fault(gateway: Gateway, key: APIKey) -> None:
    """Then the batch is tried alone, and event by event."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_usageevent ADD CONSTRAINT unforeseen CHECK (request_id <> 'poison') NOT VALID")
    try:
        with months_made() as made:
            poisoned = an_event(key, request_id="poison", occurred_at=LONG_PAST)
            batch = send(gateway, [poisoned, an_event(key, request_id="old", occurred_at=LONG_PAST)])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE metering_usageevent DROP CONSTRAINT unforeseen")
    assert (batch.recorded + batch.unpriced, batch.rejected, batch.failures) == (1, 1, 0)
    assert QuarantinedEvent.objects.get().code == "refused_by_database"
    assert made == [False]


@pytest.mark.django_db
def test_months_are_made_ahead_of_time() -> None:
    tend_inbox(datetime(2031, 11, 30, 23, 59, tzinfo=UTC))
    assert {name for name in months() if name > "2031"} == {"2031_10", "2031_11", "2031_12", "2032_01"}
    directory.forget()
    assert directory.missing_months({(2031, 12), (2032, 1), (2032, 2)}) == {(2032, 2)}


@pytest.mark.django_db
def test_nobody_waits_for_a_month_that_was_made_ahead(gateway: Gateway, key: APIKey) -> None:
    make_months_ahead(NOW)
    directory.forget()
    with months_made() as made:
        assert send(gateway, [an_event(key)]).failures == 0
    assert made == []


@pytest.mark.django_db
def test_an_event_that_another_node_refuses_is_quarantined(gateway: Gateway, key: APIKey) -> None:
    """What a node passes on as an internal error says in words that the event is at fault."""
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION as_a_shard() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'new row for relation "metering_usageevent_102031" violates check constraint "fits"'
                    USING ERRCODE = 'internal_error';
            END $$;
            CREATE TRIGGER as_a_shard BEFORE INSERT ON metering_usageevent FOR EACH ROW
                WHEN (NEW.request_id = 'poison') EXECUTE FUNCTION as_a_shard();
        """)
    batch = send(gateway, [an_event(key), an_event(key, request_id="poison")])
    assert (batch.recorded + batch.unpriced, batch.rejected, batch.failures) == (1, 1, 0)
    assert QuarantinedEvent.objects.get().code == "refused_by_database"
