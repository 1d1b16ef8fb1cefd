"""Deliveries go side by side: a slow endpoint holds nobody up, one endpoint gets a few at a time, and none is sent twice."""

import threading
import time
from collections import Counter
from datetime import timedelta
from queue import SimpleQueue
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from metering.notifications.delivery import background
from metering.notifications.delivery.claim import AT_ONCE_TO_ONE, claim_deliveries
from metering.notifications.delivery.deliver import Events, deliver_due
from metering.notifications.models import WebhookAttempt, WebhookDelivery
from metering.notifications.tasks import deliver_webhooks
from tests.kit.concurrent import all_succeed_at_once, at_once
from tests.kit.factories import NOW, make_workspace
from tests.kit.receiver import ReceivedRequest, Receiver, Reply, receiving
from tests.notifications.cast import Hook, a_hook, send, tell
from workspaces.models import Workspace


def test_a_slow_endpoint_does_not_delay_the_others(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    """Its requests are on their way while the others' are answered, recorded, and followed by more."""
    released, others = threading.Event(), 20

    def wait(request: ReceivedRequest) -> Reply:
        released.wait(20)
        return Reply()

    receiver.reply = wait
    with receiving() as fast:

        def answer(request: ReceivedRequest) -> Reply:
            if len(fast.received) == others:
                released.set()  # only now, so that nothing of the fast one can have waited for it
            return Reply()

        fast.reply = answer
        a_hook(acme, fast.url)
        for number in range(others):
            tell(acme, number)
        assert send() == {"delivered": 2 * others, "failed": 0}
    assert receiver.most_at_once == AT_ONCE_TO_ONE == 5


def test_more_is_sent_while_something_slow_is_on_its_way(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    """A run that was asked meanwhile looks again: it does not wait for what it has begun."""
    events: Events = SimpleQueue()
    released = threading.Event()

    def reply(request: ReceivedRequest) -> Reply:
        if b"inv_1" in request.body:
            events.put(None)  # a call asks for more
            released.wait(20)
        else:
            released.set()
        return Reply()

    receiver.reply = reply
    tell(acme, 1)
    calls: list[int] = []

    def clock() -> Any:
        calls.append(1)
        if len(calls) == 3:  # the second look at what is due
            tell(acme, 2)
        return NOW

    assert deliver_due(clock, events) == {"delivered": 2, "failed": 0}
    assert released.is_set()


def test_one_endpoint_has_a_few_in_flight_whatever_is_claimed(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    for number in range(12):
        tell(acme, number)
    assert [len(claim_deliveries(NOW, 100)) for _ in range(2)] == [5, 0]
    assert len(claim_deliveries(NOW + WebhookDelivery.LEASE, 3)) == 3
    assert len(claim_deliveries(NOW + WebhookDelivery.LEASE, 100)) == 2


def test_many_retries_that_wait_do_not_stand_before_what_is_due(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    for number in range(10):
        tell(acme, number)
    WebhookDelivery.objects.update(next_try_at=NOW + timedelta(hours=1), tries=3)
    tell(acme, 11)
    assert send() == {"delivered": 1, "failed": 0}


@pytest.mark.django_db(transaction=True)
def test_eight_workers_deliver_each_exactly_once(receiver: Receiver) -> None:
    acme = make_workspace()
    hooks = [a_hook(acme, f"{receiver.url}/{number}") for number in range(4)]
    for number in range(50):
        tell(acme, number)
    all_succeed_at_once(*[lambda: send() and None] * 8)
    sent = Counter((request.path, request.id) for request in receiver.received)
    assert len(sent) == 200
    assert set(sent.values()) == {1}
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}
    assert WebhookAttempt.objects.count() == 200
    assert receiver.most_at_once <= AT_ONCE_TO_ONE * len(hooks)


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_claim_no_more_for_one_endpoint_than_one_may_have(receiver: Receiver) -> None:
    acme = make_workspace()
    a_hook(acme, receiver.url)
    for number in range(60):
        tell(acme, number)
    claimed = [delivery.pk for found in at_once(*[lambda: claim_deliveries(NOW, 100)] * 8) for delivery in found]
    assert len(claimed) == len(set(claimed)) == 5


@pytest.mark.django_db(transaction=True)
def test_the_task_returns_at_once_and_a_thread_delivers(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's process is free for usage while an endpoint takes its time."""
    monkeypatch.setattr(background, "_deliverer", None)
    acme, released = make_workspace(), threading.Event()
    receiver.reply = lambda request: Reply() if released.wait(20) else Reply(500)
    a_hook(acme, receiver.url)
    tell(acme, 1, timezone.now())
    assert deliver_webhooks() == {"due": 1}
    until(lambda: receiver.received)
    tell(acme, 2, timezone.now())
    assert deliver_webhooks() == {"due": 1}
    released.set()
    until(lambda: WebhookDelivery.objects.filter(status="delivered").count() == 2)
    assert deliver_webhooks() == {"due": 0}
    background.stop_delivering()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_loses_its_database_leaves_the_rest_to_the_next(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = make_workspace()
    a_hook(acme, receiver.url)
    tell(acme)

    def lose(request: ReceivedRequest) -> Reply:
        receiver.reply = lambda request: Reply()
        return Reply()

    receiver.reply = lose
    looked: list[int] = []

    def clock() -> Any:
        looked.append(1)
        if len(looked) == 3:
            connection.close()
            raise OSError("the database is away")
        return NOW

    with pytest.raises(OSError, match="away"):
        deliver_due(clock)
    assert deliver_due(lambda: NOW + WebhookDelivery.LEASE) == {"delivered": 1, "failed": 0}
    assert len(set(receiver.ids())) == 1


def until(found: Any) -> None:
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)
