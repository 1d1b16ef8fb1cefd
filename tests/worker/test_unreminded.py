"""Beat's look at the inbox: what nobody was reminded of is processed, and workers that are merely behind are left alone."""

from datetime import datetime, timedelta

import pytest

from metering.ingest.models import Batch, UsageEvent
from metering.worker.unreminded import Unreminded
from tests.kit.corrections import hand_in, state, void
from tests.kit.factories import NOW, an_event, send
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_what_waited_for_thirty_seconds_is_processed_at_the_second_look(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)], process=False)
    send(gateway, [an_event(key, request_id="req_2")], at(29), process=False)
    beat = Unreminded()

    assert beat.process(lambda: at(30)) == 0
    assert UsageEvent.objects.count() == 0
    assert beat.process(lambda: at(35)) == 2
    assert sorted(UsageEvent.objects.values_list("request_id", flat=True)) == ["req_1", "req_2"]
    assert beat.process(lambda: at(40)) == 0


def test_what_waits_for_less_is_left_to_the_workers(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)], process=False)
    beat = Unreminded()
    assert [beat.process(lambda seconds=seconds: at(seconds)) for seconds in (0, 10, 29.9)] == [0, 0, 0]
    assert beat.process(lambda: at(30)) == 1


def test_a_queue_that_gets_on_is_left_to_the_workers(gateway: Gateway, key: APIKey) -> None:
    """Long as it is: at each look another batch is the oldest."""
    batches = [send(gateway, [an_event(key, request_id=f"req_{n}")], process=False) for n in range(3)]
    beat = Unreminded()
    for batch in batches:
        assert beat.process(lambda: at(300)) == 0
        Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.PROCESSED)


def test_batches_that_failed_are_left_to_the_sweep(gateway: Gateway, key: APIKey) -> None:
    batch = send(gateway, [an_event(key)], process=False)
    Batch.objects.filter(pk=batch.pk).update(failures=1)
    beat = Unreminded()
    assert [beat.process(lambda: at(300)), beat.process(lambda: at(310))] == [0, 0]


def test_corrections_that_wait_are_processed_as_well(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    hand_in(gateway, void(key))
    beat = Unreminded()
    assert [beat.process(lambda: at(300)), beat.process(lambda: at(310))] == [0, 1]
    assert state()[0] == "voided"
