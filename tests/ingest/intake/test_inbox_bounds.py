"""The inbox neither grows without bound while the workers are away, nor for ever once they have done their work."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from metering.ingest.intake.backpressure import backlog
from metering.ingest.intake.retention import tend_inbox
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from tests.kit.factories import NOW, an_event, body_of, send, work
from workspaces.keys import issue
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def days() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
            "WHERE inhparent = 'metering_batch'::regclass ORDER BY 1"
        )
        return [name.removeprefix("metering_batch_") for (name,) in cursor.fetchall()]


def test_past_the_bound_a_gateway_hears_429_and_nothing_is_stored(client: Client, key: APIKey, settings: Any) -> None:
    settings.INGEST_MAX_WAITING_BATCHES = 2
    token = issue.create_gateway("eu", "test", NOW)[1]
    now = datetime.now(UTC).isoformat()

    def post(request_id: str) -> Any:
        body = body_of([an_event(key, request_id=request_id, occurred_at=now)])
        headers = {"Authorization": f"Bearer {token}"}
        return client.post("/gateway/v1/events", body, content_type="application/json", headers=headers)

    assert [post(name).status_code for name in "abc"] == [202, 202, 429]
    refusal = post("c")
    assert refusal.headers["Retry-After"] == "5"
    assert refusal.json()["error"]["code"] == "inbox_full"
    assert refusal.json()["error"]["type"] == "rate_limit_error"
    assert Batch.objects.count() == 2

    work(datetime.now(UTC))
    assert post("c").status_code == 202


def test_batches_that_other_processes_took_in_count_too(gateway: Gateway, key: APIKey, settings: Any) -> None:
    settings.INGEST_MAX_WAITING_BATCHES = 3
    for at in range(3):
        send(gateway, [an_event(key, request_id=f"r{at}")], process=False)
    backlog.forget()  # as a process that has just started
    assert not backlog.admit_one(3)
    assert backlog.admit_one(4)


def test_an_old_day_is_dropped_once_everything_in_it_is_processed(gateway: Gateway, key: APIKey, settings: Any) -> None:
    settings.INBOX_RETENTION_DAYS = 7
    send(gateway, [an_event(key), {"not": "an event"}], now=NOW)
    assert days() == [f"{NOW:%Y_%m_%d}"]

    assert tend_inbox(NOW + 7 * DAY) == []
    assert tend_inbox(NOW + 8 * DAY) == [f"metering_batch_{NOW:%Y_%m_%d}"]
    assert not Batch.objects.exists()
    assert UsageEvent.objects.count() == 1
    assert QuarantinedEvent.objects.get().gateway == gateway


def test_a_day_in_which_a_batch_still_waits_stays(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)], process=False)
    assert tend_inbox(NOW + 100 * DAY) == []
    work()
    assert UsageEvent.objects.count() == 1


def test_the_days_to_come_are_made_beforehand() -> None:
    tend_inbox(datetime(2027, 2, 27, 23, 59, tzinfo=UTC))
    assert days() == ["2027_02_27", "2027_02_28", "2027_03_01"]


def test_a_batch_is_found_on_whatever_day_it_came(client: Client, gateway: Gateway, key: APIKey) -> None:
    token = issue.create_gateway("eu", "test", NOW)[1]
    gateway = Gateway.objects.get(name="eu")
    ids = [send(gateway, [an_event(key, request_id=f"r{at}")], now=NOW + at * DAY).public_id for at in range(3)]
    for batch_id in ids:
        answer = client.get(f"/gateway/v1/batches/{batch_id}", headers={"Authorization": f"Bearer {token}"}).json()
        assert (answer["batch_id"], answer["status"], answer["counts"]["recorded"]) == (batch_id, "processed", 1)
