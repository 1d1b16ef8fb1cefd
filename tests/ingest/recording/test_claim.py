"""Both ways of claiming identities, whole sets in the hope that nothing is a retry and one by one with care, end the same."""

import threading
from typing import Any

import pytest
from django.db import connection, connections

from metering.ingest.models import EventIdentity, QuarantinedEvent, UsageEvent
from metering.ingest.recording import claim
from metering.rollups.models import HourlyRollup
from tests.kit.factories import an_event, send, work
from workspaces.models import APIKey, Gateway

SET = claim.WORTH_HOPING + 20


@pytest.fixture(autouse=True)
def _hopeful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "_careful", 0)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which statements claimed, in order."""
    taken: list[str] = []
    copy, with_care = claim._copy, claim._claim_with_care

    def noted_copy(statement: str, *arguments: Any) -> None:
        if statement == claim.COPY:
            taken.append("whole")
        copy(statement, *arguments)

    def noted_care(identities: Any) -> dict[int, bytes]:
        taken.append("careful")
        return with_care(identities)

    monkeypatch.setattr(claim, "_copy", noted_copy)
    monkeypatch.setattr(claim, "_claim_with_care", noted_care)
    return taken


def events(key: APIKey, first: int, count: int) -> list[dict[str, Any]]:
    return [an_event(key, request_id=f"r{at}") for at in range(first, first + count)]


@pytest.mark.django_db
def test_a_set_without_a_retry_is_claimed_whole(gateway: Gateway, key: APIKey, ways: list[str]) -> None:
    assert send(gateway, events(key, 0, SET)).recorded == SET
    assert ways == ["whole"]
    assert EventIdentity.objects.count() == UsageEvent.objects.count() == SET


@pytest.mark.django_db
def test_one_retry_in_a_set_costs_its_neighbours_nothing(gateway: Gateway, key: APIKey, ways: list[str]) -> None:
    send(gateway, events(key, 7, 1))
    batch = send(gateway, events(key, 0, SET))
    assert (batch.recorded, batch.duplicate) == (SET - 1, 1)
    assert [item["request_id"] for item in batch.items] == ["r7"]
    assert ways == ["careful", "whole", "careful"]  # a single one is not worth the hope
    assert UsageEvent.objects.count() == SET
    assert sum(HourlyRollup.objects.values_list("requests", flat=True)) == SET


@pytest.mark.django_db
def test_a_conflict_in_a_set_is_quarantined_and_the_first_stands(gateway: Gateway, key: APIKey) -> None:
    send(gateway, events(key, 7, 1))
    changed = events(key, 0, SET)
    changed[7] |= {"model": "another"}
    batch = send(gateway, changed)
    assert (batch.recorded, batch.conflict) == (SET - 1, 1)
    assert QuarantinedEvent.objects.get().request_id == "r7"
    assert UsageEvent.objects.get(request_id="r7").model.slug != "another"


@pytest.mark.django_db
def test_the_same_id_twice_in_one_set_is_no_reason_for_care(gateway: Gateway, key: APIKey, ways: list[str]) -> None:
    batch = send(gateway, [*events(key, 0, SET), *events(key, 3, 2), an_event(key, request_id="r5", model="another")])
    assert (batch.recorded, batch.duplicate, batch.conflict) == (SET, 2, 1)
    assert ways == ["whole"]


@pytest.mark.django_db
def test_after_a_retry_the_next_sets_are_claimed_with_care_and_then_in_hope_again(
    gateway: Gateway, key: APIKey, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "CAREFUL_FOR", 3)
    for first in (0, 0, 1_000, 2_000, 3_000):
        send(gateway, events(key, first, SET))
    assert ways == ["whole", "whole", "careful", "careful", "careful", "whole"]
    assert UsageEvent.objects.count() == 4 * SET


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_hope_for_the_same_events_count_them_once(gateway: Gateway, key: APIKey) -> None:
    for round in range(5):
        for _ in range(4):
            send(gateway, events(key, round * 10_000, 5 * SET), process=False)
        barrier = threading.Barrier(2)

        def race(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            work()
            connections.close_all()

        workers = [threading.Thread(target=race) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        work()
    assert UsageEvent.objects.count() == 5 * 5 * SET
    assert sum(HourlyRollup.objects.values_list("requests", flat=True)) == 5 * 5 * SET


AS_A_SHARD = """
CREATE FUNCTION as_a_shard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_query() LIKE 'COPY metering_eventidentity%' AND 0 < (
        SELECT count(*) FROM metering_eventidentity taken WHERE taken.workspace_id = NEW.workspace_id
          AND taken.request_hash = NEW.request_hash AND taken.attempt = NEW.attempt) THEN
        RAISE EXCEPTION 'duplicate key value violates unique constraint "metering_eventidentity_pkey_102008"'
            USING ERRCODE = 'internal_error';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER as_a_shard BEFORE INSERT ON metering_eventidentity FOR EACH ROW EXECUTE FUNCTION as_a_shard();
"""


@pytest.mark.django_db
def test_an_identity_that_another_node_says_is_taken_is_claimed_with_care(
    gateway: Gateway, key: APIKey, ways: list[str]
) -> None:
    send(gateway, events(key, 7, 1))
    with connection.cursor() as cursor:
        cursor.execute(AS_A_SHARD)
    batch = send(gateway, events(key, 0, SET))
    assert (batch.recorded, batch.duplicate, batch.failures) == (SET - 1, 1, 0)
    assert ways == ["careful", "whole", "careful"]
