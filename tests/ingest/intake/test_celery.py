"""Events through the broker: the task stores them in the inbox, and the broker keeps them until it has."""

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import Reject
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from kombu.utils import json as kombu_json

from metering import tasks
from metering.ingest.intake.broker.store import store_call, store_events
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from tests.kit.factories import GOLDEN_COST, NOW, an_event, send, work
from workspaces.keys import issue
from workspaces.models import APIKey, AuditEntry, Gateway

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("wrapped", [False, True])
def test_events_from_the_broker_are_recorded_as_any_others(gateway: Gateway, key: APIKey, wrapped: bool) -> None:
    events: Any = [an_event(key), an_event(key, request_id="second")]
    (batch,) = store_events({"events": events} if wrapped else events, gateway.public_id, NOW)
    assert (batch.source, batch.gateway, batch.event_count, batch.status) == ("celery", gateway, 2, "pending")
    work()
    assert [event.cost for event in UsageEvent.objects.all()] == [GOLDEN_COST, GOLDEN_COST]


def test_a_message_delivered_twice_is_counted_once(gateway: Gateway, key: APIKey) -> None:
    for _ in range(2):
        store_events([an_event(key)], gateway.public_id, NOW)
    work()
    assert UsageEvent.objects.count() == 1
    assert [batch.duplicate for batch in Batch.objects.order_by("id")] == [0, 1]


def test_more_events_than_a_batch_holds_become_several(gateway: Gateway, key: APIKey) -> None:
    batches = store_events([an_event(key, request_id=f"r{at}") for at in range(2_001)], gateway.public_id, NOW)
    assert [batch.event_count for batch in batches] == [1_000, 1_000, 1]
    work()
    assert UsageEvent.objects.count() == 2_001


def test_large_events_are_spread_over_batches(gateway: Gateway, key: APIKey, settings: Any) -> None:
    settings.INGEST_MAX_BYTES = 3_000
    events = [an_event(key, request_id=f"r{at}", user="u" * 500) for at in range(10)]
    batches = store_events(events, gateway.public_id, NOW)
    assert len(batches) > 1
    assert all(len(batch.body) < 3_200 for batch in batches)
    assert sum(batch.event_count for batch in batches) == 10


@pytest.mark.parametrize("message", [None, [], {}, {"events": []}, "events", 7, {"batch": [1]}])
def test_a_message_without_events_is_kept_in_the_quarantine(gateway: Gateway, message: Any) -> None:
    store_events(message, gateway.public_id, NOW)
    quarantined = QuarantinedEvent.objects.get()
    assert quarantined.code == "malformed_batch"
    kept = message.get("events", message) if isinstance(message, dict) else message
    assert json.loads(bytes(quarantined.content)) == kept


def test_a_number_that_is_none_costs_its_neighbours_nothing(gateway: Gateway, key: APIKey) -> None:
    bad = an_event(key, request_id="bad")
    bad["usage"] = {"prompt_tokens": float("nan"), "completion_tokens": 1}
    store_events([bad, an_event(key)], gateway.public_id, NOW)
    assert QuarantinedEvent.objects.get().code == "invalid_event"
    work()
    assert UsageEvent.objects.count() == 1


def test_a_key_that_strays_into_a_message_is_not_stored(gateway: Gateway, key: APIKey) -> None:
    secret = "omx_live_" + "7" * 36
    store_events([an_event(key, user=secret), {"odd": secret, "number": float("inf")}], gateway.public_id, NOW)
    stored = bytes(Batch.objects.get().body) + bytes(QuarantinedEvent.objects.get().content)
    assert b"7777" not in stored
    assert b"omx_live_[removed]" in stored


@pytest.mark.parametrize("named", [None, "gw_unheard_of", "gw\x00", 7, {"id": "gw"}])
def test_a_message_that_names_no_gateway_of_ours_is_kept_in_the_quarantine(key: APIKey, named: Any) -> None:
    for request_id in ("first", "second"):
        store_events([an_event(key, request_id=request_id)], named, NOW)
    work()
    assert not UsageEvent.objects.exists()
    kept = QuarantinedEvent.objects.order_by("id").values_list("code", "request_id", "gateway__name", "workspace__name")
    assert list(kept) == [("unknown_gateway", each, "Celery", "Acme") for each in ("first", "second")]
    nameless = Gateway.objects.get(name="Celery")
    assert (nameless.revoked_at, nameless.credentials.count()) == (NOW, 0)
    assert AuditEntry.objects.get(target=nameless.public_id).action == "gateway.created"


def test_a_gateway_that_happens_to_be_called_celery_is_not_taken_for_it(key: APIKey) -> None:
    called, _ = issue.create_gateway("Celery", "the tests", NOW)
    store_events([an_event(key)], None, NOW)
    assert QuarantinedEvent.objects.get().gateway != called


def test_a_message_that_names_a_revoked_gateway_is_kept_in_the_quarantine(gateway: Gateway, key: APIKey) -> None:
    issue.revoke_gateway(gateway, "the tests", NOW)
    store_events([an_event(key)], gateway.public_id, NOW)
    work()
    refused = QuarantinedEvent.objects.get()
    assert (refused.code, refused.gateway) == ("gateway_revoked", gateway)
    assert not UsageEvent.objects.exists()


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SECONDS_BETWEEN_TRIES", 0)


@pytest.mark.usefixtures("_no_pause")
def test_a_message_waits_while_nothing_can_be_stored(gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [OperationalError("the server closed the connection"), InterfaceError("closed"), None]
    monkeypatch.setattr(tasks, "connection", SimpleNamespace(close=lambda: None))  # this test's own must stay

    def away_at_first(*message: Any) -> list[Batch]:
        error = answers.pop(0)
        if error is not None:
            raise error
        return store_call(*message)

    monkeypatch.setattr(tasks, "store_call", away_at_first)
    tasks.ingest_events([an_event(key)], gateway.public_id)
    assert answers == []
    assert Batch.objects.get().event_count == 1


@pytest.mark.usefixtures("_no_pause")
def test_a_message_that_waited_too_long_goes_back_to_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(tasks, "store_call", away)
    monkeypatch.setattr(tasks, "SECONDS_OF_PATIENCE", 0)
    with pytest.raises(Reject) as rejection:
        tasks.ingest_events([{}])
    assert rejection.value.requeue is True


@pytest.mark.usefixtures("_no_pause")
def test_a_message_that_meets_a_full_inbox_has_it_emptied(gateway: Gateway, key: APIKey, settings: Any) -> None:
    settings.INGEST_MAX_WAITING_BATCHES = 1
    waiting = send(gateway, [an_event(key)], now=timezone.now(), process=False)
    at = timezone.now().isoformat()
    tasks.ingest_events([an_event(key, request_id="second", occurred_at=at)], gateway.public_id)
    waiting.refresh_from_db()
    assert waiting.status == "processed"
    assert Batch.objects.get(source="celery").status == "pending"


def test_values_that_celery_brings_back_as_objects_of_python_are_read(gateway: Gateway, key: APIKey) -> None:
    event = an_event(key, request_id=UUID(int=1), occurred_at=NOW, metadata={"cost": Decimal("0.10"), "raw": b"x"})
    sent = kombu_json.dumps({"events": [event, an_event(key, attempt=Decimal(1))]})
    store_events(kombu_json.loads(sent), gateway.public_id, NOW)
    work()
    recorded = UsageEvent.objects.get()
    assert (recorded.request_id, recorded.occurred_at) == ("00000000-0000-0000-0000-000000000001", NOW)
    assert recorded.details["metadata"]["cost"] == "0.10"
    assert QuarantinedEvent.objects.get().code == "invalid_event"


def test_a_message_with_other_arguments_is_kept_in_the_quarantine(gateway: Gateway) -> None:
    tasks.ingest_events(batch=[{"request_id": "r"}], gateway_id=gateway.public_id)
    assert json.loads(bytes(QuarantinedEvent.objects.get().content)) == {"batch": [{"request_id": "r"}]}


@pytest.mark.usefixtures("_no_pause")
def test_a_message_that_meets_a_fault_of_ours_goes_back_to_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: Any) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(tasks, "store_call", faulty)
    with pytest.raises(Reject) as rejection:
        tasks.ingest_events([{}])
    assert rejection.value.requeue is True


@pytest.mark.usefixtures("_no_pause")
def test_a_message_outlives_a_failure_to_empty_a_full_inbox(
    gateway: Gateway, key: APIKey, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INGEST_MAX_WAITING_BATCHES = 1
    send(gateway, [an_event(key)], now=timezone.now(), process=False)

    def deadlocked(*_: Any) -> None:
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(tasks, "process_waiting", deadlocked)
    monkeypatch.setattr(tasks, "SECONDS_OF_PATIENCE", 0.05)
    with pytest.raises(Reject) as rejection:
        tasks.ingest_events([an_event(key, request_id="second")], gateway.public_id)
    assert rejection.value.requeue is True
