"""Re-rating by workers that run at once, beside ingest, corrections, new prices and a rebuild of the same hours."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from metering.ingest.models import EventCorrection, UsageEvent
from metering.management.commands.rerate import work_off
from metering.money import exact_text
from metering.periods import month_of
from metering.revisions.rerating import jobs
from metering.revisions.rerating.jobs import continue_orders
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.models import Rerating
from metering.rollups.rebuild import rebuild
from tests.kit.concurrent import all_succeed_at_once
from tests.kit.corrections import hand_in, void
from tests.kit.factories import NOW, an_event, send, work
from tests.kit.rerating import correct_price, everything_agrees, ordered, planned
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metering.revisions.rerating.rerate_events.EVENTS_PER_TRANSACTION", 7)


def test_two_workers_at_one_order_change_every_event_once(gateway: Gateway, key: APIKey) -> None:
    send(
        gateway,
        [an_event(key, request_id=f"r{at}", occurred_at=(NOW - timedelta(minutes=at)).isoformat()) for at in range(100)],
    )
    correct_price()
    order = ordered()
    all_succeed_at_once(*[lambda: continue_orders(NOW)] * 3)
    continue_orders(NOW)
    order.refresh_from_db()
    assert (order.status, order.changed, order.examined) == ("finished", 100, 100)
    assert EventCorrection.objects.count() == 100
    assert everything_agrees()


def test_the_command_waits_for_a_worker_that_took_its_order(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(gateway, [an_event(key, request_id=f"r{at}") for at in range(20)])
    correct_price()
    order, waited = ordered(), []
    holding, may_go_on = threading.Event(), threading.Event()
    append = jobs.append

    def slowly(*given: Any) -> None:
        append(*given)
        if threading.current_thread() is worker:
            holding.set()
            may_go_on.wait(20)

    def sleep(_seconds: float) -> None:
        waited.append(Rerating.objects.get().status)
        may_go_on.set()
        worker.join(20)

    worker = threading.Thread(target=lambda: (continue_orders(NOW), connections.close_all()))
    monkeypatch.setattr(jobs, "append", slowly)
    monkeypatch.setattr("metering.management.commands.rerate.time.sleep", sleep)
    worker.start()
    assert holding.wait(20)
    work_off(order)
    assert waited == ["running"]
    assert (order.status, order.changed) == ("finished", 20)
    assert everything_agrees()


def test_beside_everything_else_that_moves_the_same_hours_all_agrees_in_the_end(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, request_id=f"old-{at}") for at in range(60)])
    correct_price()
    ordered()
    for batch in range(10):
        send(gateway, [an_event(key, request_id=f"{batch}-{at}") for at in range(20)], process=False)
        hand_in(gateway, *(void(key, f"old-{batch * 3 + at}") for at in range(3)))

    def another_price() -> None:
        correct_price(input="3", correct=True)
        ordered()
        continue_orders(NOW)

    all_succeed_at_once(
        work,
        lambda: continue_orders(NOW),
        another_price,
        lambda: rebuild(month_of(NOW)),
        work,
        price_waiting,
        lambda: continue_orders(NOW),
    )
    work()
    ordered()
    continue_orders(NOW)
    assert not Rerating.objects.filter(status="running").exists()
    assert planned() == []
    standing = UsageEvent.objects.exclude(status=3)
    assert (standing.count(), UsageEvent.objects.filter(status=3).count()) == (230, 30)
    # 86 x 3 + 1920 x 0.375 + 300 x 6 per million
    assert {exact_text(cost) for cost in standing.values_list("cost", flat=True) if cost is not None} == {"0.002778000000"}
    assert everything_agrees()
