"""Corrections by workers that run at once, die half way, or meet one that the database refuses."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection

from metering.catalogue.set_price import set_price
from metering.ingest.models import Batch, EventCorrection, QuarantinedEvent, UsageEvent
from metering.money import exact_text
from metering.periods import month_of
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.rebuild import rebuild
from metering.worker import corrections as correcting
from metering.worker.corrections import process_corrections, sweep_corrections
from tests.kit.concurrent import all_succeed_at_once
from tests.kit.corrections import (
    SMALL_COST,
    SMALL_USAGE,
    correct,
    everything_agrees,
    hand_in,
    october,
    outcomes_of,
    replace,
    void,
)
from tests.kit.factories import NOW, an_event, send, work
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_same_corrections_sent_twice_at_once_count_once(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, request_id=f"r{at}") for at in range(50)])

    def post() -> None:
        hand_in(gateway, *(void(key, f"r{at}") for at in range(50)))
        work()

    all_succeed_at_once(post, post, post)
    work()
    assert sorted(Batch.objects.filter(kind="corrections").values_list("recorded", "duplicate")) == [(0, 50), (0, 50), (50, 0)]
    assert EventCorrection.objects.count() == 50
    assert october() == (0, "0.000000000000")


def test_workers_pricing_and_rebuilding_at_once_agree_in_the_end(gateway: Gateway, key: APIKey) -> None:
    """Events and their corrections of the same hour stream in, while a price is set, rollups are rebuilt and all are priced."""
    for batch in range(12):
        names = [f"{batch}-{at}" for at in range(20)]
        send(
            gateway, [an_event(key, model=("late", "codex-mini")[batch % 2], request_id=name) for name in names], process=False
        )
        corrections = [void(key, name) if at % 3 else replace(key, SMALL_USAGE, name) for at, name in enumerate(names)]
        hand_in(gateway, *corrections[::-1])

    def set_the_price() -> None:
        since = NOW - timedelta(days=1)
        set_price("late", input=Decimal("1.5"), output=Decimal(6), effective_from=since, actor="test", now=NOW)
        price_waiting()

    all_succeed_at_once(work, work, set_the_price, lambda: rebuild(month_of(NOW)), work, price_waiting)
    work()
    price_waiting()
    assert not QuarantinedEvent.objects.filter(settled_at=None).exists()
    assert EventCorrection.objects.count() == 240
    replaced = UsageEvent.objects.exclude(status=3)
    assert (replaced.count(), {exact_text(cost or Decimal(0)) for cost in replaced.values_list("cost", flat=True)}) == (
        84,
        {SMALL_COST},
    )
    assert october() == (84, exact_text(Decimal(SMALL_COST) * 84))


def test_a_worker_that_dies_before_its_commit_leaves_everything_as_it_was(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(gateway, [an_event(key)])
    batch = hand_in(gateway, void(key))

    class Killed(BaseException):
        """Not an Exception, as a signal is none: nothing in the worker may handle it."""

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(correcting, "mark", die)
        with pytest.raises(Killed):
            process_corrections(lambda: NOW)
    batch.refresh_from_db()
    assert (batch.status, batch.failures) == ("pending", 0)
    assert not EventCorrection.objects.exists()
    assert october() == (1, "0.002649000000")
    work()
    assert october() == (0, "0.000000000000")
    assert EventCorrection.objects.count() == 1


def test_a_batch_whose_mark_was_lost_is_processed_again_and_changes_nothing(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    batch = correct(gateway, replace(key, SMALL_USAGE))
    Batch.objects.filter(pk=batch.pk).update(status="pending")
    work()
    assert EventCorrection.objects.count() == 1
    assert october() == (1, SMALL_COST)


def test_a_database_that_goes_away_blames_no_batch(gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch) -> None:
    send(gateway, [an_event(key)])
    batch = hand_in(gateway, void(key))

    def away(*_: Any) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(correcting, "mark", away)
    with pytest.raises(OperationalError):
        process_corrections(lambda: NOW)
    batch.refresh_from_db()
    assert (batch.status, batch.failures) == ("pending", 0)


@pytest.fixture
def _poison() -> Iterator[None]:
    """A correction that the database itself refuses, by its reason."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_eventcorrection ADD CONSTRAINT unforeseen CHECK (reason <> 'poison')")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_eventcorrection DROP CONSTRAINT unforeseen")


@pytest.mark.usefixtures("_poison")
def test_a_poison_correction_is_quarantined_and_holds_up_nobody(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, request_id=name) for name in ("a", "b", "c")])
    hand_in(gateway, void(key, "c"))
    poisoned = correct(gateway, void(key, "a"), void(key, "b", reason="poison"), replace(key, SMALL_USAGE, "b"))
    assert (poisoned.recorded, outcomes_of(poisoned)) == (2, [(1, "rejected", "refused_by_database")])
    quarantined = QuarantinedEvent.objects.get()
    assert (quarantined.kind, quarantined.request_id, quarantined.code) == ("corrections", "b", "refused_by_database")
    assert october() == (1, SMALL_COST)


@pytest.mark.usefixtures("_poison")
def test_a_poison_correction_that_waited_is_not_tried_for_ever(gateway: Gateway, key: APIKey) -> None:
    correct(gateway, void(key, "a", reason="poison"), void(key, "b"))
    send(gateway, [an_event(key, request_id=name) for name in ("a", "b")])
    still_open = QuarantinedEvent.objects.get(settled_at=None)
    assert (still_open.request_id, still_open.code) == ("a", "not_applied")
    assert work() == 0
    assert october() == (1, "0.002649000000")


def test_a_batch_that_cannot_be_opened_stays_visible_and_is_tried_again(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    broken = hand_in(gateway, void(key))
    body = bytes(broken.body)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_batch SET body = 'damaged on disk' WHERE id = %s", [broken.pk])
    work()
    broken = Batch.objects.defer("body").get(pk=broken.pk)
    assert (broken.status, broken.failures) == ("pending", 1)

    Batch.objects.filter(pk=broken.pk).update(body=body)
    sweep_corrections(lambda: NOW)
    broken.refresh_from_db()
    assert (broken.status, broken.recorded) == ("processed", 1)
    assert everything_agrees()
