"""Gateways that publish to a real Redis as its own users: each to its own queue, one task, and nothing else."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings as configured
from django.db import OperationalError
from kombu import Queue
from kombu.exceptions import OperationalError as Refused

from metering.ingest.intake.broker import consume as module
from metering.ingest.intake.broker.consume import Consumer
from metering.ingest.intake.broker.queues import Queues, connected, queue_of
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from tests.gateways.redis_server import redis_with_users
from tests.kit.factories import NOW, an_event, work
from workspaces.keys import issue
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db
TASK = "metering.ingest_events"
WHO = "operator@omixa.example"


@pytest.fixture
def port(tmp_path: Path, gateway: Gateway, other: Gateway) -> Iterator[int]:
    with redis_with_users(tmp_path, gateway.public_id, other.public_id) as port:
        yield port


def url(port: int, user: str) -> str:
    return f"redis://{user}:{user}@127.0.0.1:{port}/0"


@pytest.fixture
def queues(port: int) -> Iterator[Queues]:
    with connected(url(port, "omixa_gateways"), configured.GATEWAY_BROKER_OPTIONS) as queues:
        yield queues


@pytest.fixture
def consumer(queues: Queues) -> Consumer:
    return Consumer(queues, lambda: NOW, threading.Event())


@pytest.fixture
def raw(port: int) -> Iterator[redis.Redis]:
    """The product's own user, who may do everything."""
    with redis.Redis(port=port, username="omixa", password="omixa") as client:
        yield client


def publish(port: int, gateway: Gateway, task: str = TASK, queue: str | None = None, **message: Any) -> None:
    """As README.md has it."""
    app = Celery(broker=url(port, gateway.public_id), set_as_current=False)
    app.conf.broker_transport_options = {"max_retries": 0}
    with app.connection_for_write() as connection:
        app.send_task(
            task, queue=Queue(queue or queue_of(gateway.public_id), no_declare=True), connection=connection, **message
        )


def codes() -> list[tuple[str, Gateway]]:
    return [(row.code, row.gateway) for row in QuarantinedEvent.objects.order_by("id")]


def test_what_a_gateway_publishes_is_counted_as_its_own(
    port: int, consumer: Consumer, raw: redis.Redis, gateway: Gateway, key: APIKey
) -> None:
    publish(port, gateway, kwargs={"events": [an_event(key)]})
    publish(port, gateway, args=[[an_event(key, request_id="second")]], priority=6)
    assert [consumer.go_round() for _ in range(3)] == [1, 1, 0]
    work()
    assert [event.gateway for event in UsageEvent.objects.all()] == [gateway, gateway]
    assert {batch.source for batch in Batch.objects.all()} == {"celery"}
    assert raw.keys() == [b"gateways.reader"]


@pytest.mark.parametrize("queue", ["celery", "gateways.reader", "other"])
def test_redis_lets_a_gateway_publish_nowhere_else(
    port: int, raw: redis.Redis, gateway: Gateway, other: Gateway, queue: str
) -> None:
    with pytest.raises((Refused, redis.exceptions.NoPermissionError)):
        publish(port, gateway, queue=queue_of(other.public_id) if queue == "other" else queue, args=[[]])
    assert raw.keys() == []


@pytest.mark.parametrize(
    "command",
    [
        ("LRANGE", "gateways.{own}", 0, -1),
        ("RPOP", "gateways.{own}"),
        ("DEL", "gateways.{own}"),
        ("LPUSH", "celery", "x"),
        ("PUBLISH", "/0.celery.pidbox", "x"),
        ("SMEMBERS", "_kombu.binding.celery"),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("FLUSHALL",),
        ("EVAL", "return 1", 0),
    ],
)
def test_redis_lets_a_gateway_do_nothing_else(port: int, gateway: Gateway, command: tuple[Any, ...]) -> None:
    words = [str(word).format(own=gateway.public_id) for word in command]
    name = gateway.public_id
    with redis.Redis(port=port, username=name, password=name) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*words)


def test_another_task_is_refused_visibly_and_holds_up_nobody(
    port: int, consumer: Consumer, gateway: Gateway, other: Gateway, key: APIKey
) -> None:
    kwargs = {"month": "2026-09", "finalize": True, "started_by": "ceo@omixa.example"}
    publish(port, gateway, "metering.close_month", kwargs=kwargs)
    publish(port, gateway, kwargs={"events": [an_event(key)]})
    publish(port, other, kwargs={"events": [an_event(key, request_id="second")]})
    assert [consumer.go_round() for _ in range(3)] == [2, 1, 0]
    work()
    assert codes() == [("other_task", gateway)]
    refused = QuarantinedEvent.objects.get()
    assert refused.message == "Gateways may send metering.ingest_events alone, and this asks for 'metering.close_month'."
    assert json.loads(bytes(refused.content))[1] == kwargs
    assert UsageEvent.objects.count() == 2


def test_a_message_that_asks_for_more_does_what_it_may_and_sets_off_nothing(
    port: int, consumer: Consumer, raw: redis.Redis, gateway: Gateway, key: APIKey
) -> None:
    app = Celery(set_as_current=False)
    evil = app.signature("metering.close_month", kwargs={"month": "2026-09"}, options={"queue": "celery"})
    asks = {"link": [evil], "link_error": [evil], "chord": evil, "chain": [evil], "reply_to": "celery", "shadow": "x"}
    publish(port, gateway, kwargs={"events": [an_event(key)]}, countdown=1000, expires=1, **asks)
    assert consumer.go_round() == 1
    work()
    assert UsageEvent.objects.count() == 1
    assert raw.keys() == [b"gateways.reader"]


def test_what_is_no_message_is_kept_in_the_quarantine(
    consumer: Consumer, raw: redis.Redis, gateway: Gateway, key: APIKey
) -> None:
    for item in (b"\xff\x00garbage", b"{}", b"[" * 5_000):
        raw.lpush(queue_of(gateway.public_id), item)
    assert [consumer.go_round() for _ in range(4)] == [1, 1, 1, 0]
    assert codes() == [("malformed_message", gateway)] * 3


def test_a_gateway_cannot_speak_for_another(
    port: int, consumer: Consumer, gateway: Gateway, other: Gateway, key: APIKey
) -> None:
    publish(port, gateway, kwargs={"events": [an_event(key)], "gateway_id": other.public_id})
    publish(port, gateway, kwargs={"events": [an_event(key, request_id="own")], "gateway_id": gateway.public_id})
    assert [consumer.go_round() for _ in range(2)] == [1, 1]
    work()
    assert codes() == [("wrong_gateway", gateway)]
    assert UsageEvent.objects.get().request_id == "own"


def test_bounds_hold_for_what_is_published(port: int, consumer: Consumer, gateway: Gateway, key: APIKey, birch: APIKey) -> None:
    issue.change_reach(gateway, [key.workspace], False, WHO, NOW)
    publish(port, gateway, kwargs={"events": [an_event(key), an_event(birch)]})
    consumer.go_round()
    work()
    assert codes() == [("wrong_workspace", gateway)]
    assert UsageEvent.objects.get().workspace == key.workspace


def test_what_a_revoked_gateway_publishes_goes_to_the_quarantine_from_that_moment(
    port: int, consumer: Consumer, gateway: Gateway, key: APIKey
) -> None:
    for name in ("before", "after"):
        publish(port, gateway, kwargs={"events": [an_event(key, request_id=name)]})
    consumer.go_round()
    issue.revoke_gateway(gateway, WHO, NOW.replace(minute=1))
    consumer.go_round()
    work(NOW.replace(hour=13))
    assert codes() == [("gateway_revoked", gateway)]
    assert UsageEvent.objects.get().request_id == "before"


def test_a_message_stays_until_it_is_stored(
    port: int, consumer: Consumer, raw: redis.Redis, gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(port, gateway, kwargs={"events": [an_event(key)]})
    left: list[int] = []

    def away(*_: Any) -> None:
        left.append(raw.llen(queue_of(gateway.public_id)))
        consumer.stop.set()
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(module, "store", away)
    assert consumer.go_round() == 0
    assert (left, raw.llen(queue_of(gateway.public_id))) == ([1], 1)


def test_a_fault_of_ours_puts_the_message_behind_the_others_and_lets_other_gateways_go_on(
    port: int,
    consumer: Consumer,
    raw: redis.Redis,
    gateway: Gateway,
    other: Gateway,
    key: APIKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish(port, gateway, kwargs={"events": [an_event(key)]})
    publish(port, other, kwargs={"events": [an_event(key, request_id="second")]})
    stored = module.store

    def faulty(message: Any, sender: Gateway, now: Any) -> None:
        if sender == gateway:
            raise KeyError("unforeseen")
        stored(message, sender, now)

    monkeypatch.setattr(module, "store", faulty)
    assert [consumer.go_round() for _ in range(2)] == [1, 0]
    assert raw.llen(queue_of(gateway.public_id)) == 1


def test_one_process_at_a_time_reads(port: int, consumer: Consumer, gateway: Gateway, key: APIKey) -> None:
    publish(port, gateway, kwargs={"events": [an_event(key)]})
    assert consumer.queues.prepare([]) is True
    with connected(url(port, "omixa_gateways"), configured.GATEWAY_BROKER_OPTIONS) as second:
        assert Consumer(second, lambda: NOW, threading.Event()).go_round() == 0
    assert consumer.go_round() == 1
