"""Gateways that publish to a real RabbitMQ, with the virtual host, users and permissions that docs/running.md describes."""

import shlex
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from amqp.exceptions import AccessRefused, NotAllowed
from celery import Celery
from kombu import Connection, Exchange, Queue

from metering.ingest.intake.broker.consume import Consumer
from metering.ingest.intake.broker.queues import RabbitQueues, connected, queue_of
from metering.ingest.models import QuarantinedEvent, UsageEvent
from tests.chaos.rabbitmq import RabbitMQ, needs_rabbitmq
from tests.first_run import REPOSITORY
from tests.kit.factories import NOW, an_event, work
from workspaces.models import APIKey, Gateway

pytestmark = [pytest.mark.django_db, needs_rabbitmq]
TASK = "metering.ingest_events"
EXAMPLE = "gw_EXAMPLE"
GATEWAYS = ("gw_one", "gw_two")
OPTIONS = {"confirm_publish": True, "read_timeout": 5, "write_timeout": 5}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """With the virtual host and the users that the docs name, for two gateways; every password is the user's name."""
    with RabbitMQ(tmp_path_factory.mktemp("broker") / "node").running() as server:
        for words in documented():
            for gateway_id in GATEWAYS if EXAMPLE in words else [""]:
                server.control(*(word.replace(EXAMPLE, gateway_id) for word in words))
        yield server


@pytest.fixture
def gateway(db: None) -> Gateway:
    return Gateway.objects.create(name="eu-1", public_id=GATEWAYS[0])


@pytest.fixture
def other(db: None) -> Gateway:
    return Gateway.objects.create(name="us-1", public_id=GATEWAYS[1])


def documented() -> list[list[str]]:
    """The calls of `rabbitmqctl` in docs/running.md."""
    lines = (REPOSITORY / "docs" / "running.md").read_text().splitlines()
    calls = [shlex.split(line)[1:] for line in lines if line.startswith("    rabbitmqctl ")]
    return [[call[1] if word == "PASSWORD" else word for word in call] for call in calls]


def url(broker: RabbitMQ, user: str, vhost: str = "gateways") -> str:
    return f"amqp://{user}:{user}@127.0.0.1:{broker.port}/{vhost}"


@pytest.fixture
def queues(broker: RabbitMQ) -> Iterator[RabbitQueues]:
    with connected(url(broker, "omixa_gateways"), OPTIONS) as queues:
        assert isinstance(queues, RabbitQueues)
        yield queues


@pytest.fixture
def consumer(queues: RabbitQueues, gateway: Gateway, other: Gateway) -> Consumer:
    """Its queues are there, and empty: the broker outlives the test before."""
    names = [queue_of(each.public_id) for each in (gateway, other)]
    queues.prepare(names)
    for name in names:
        queues.channel.queue_purge(name)
    return Consumer(queues, lambda: NOW, threading.Event())


def publish(broker: RabbitMQ, gateway: Gateway, task: str = TASK, **message: Any) -> None:
    """As docs/running.md has it."""
    app = Celery(broker=url(broker, gateway.public_id), set_as_current=False)
    app.conf.broker_transport_options = OPTIONS
    own = queue_of(gateway.public_id)
    where = {"queue": Queue(own, no_declare=True), "exchange": own, "routing_key": own}
    with app.connection_for_write() as connection:
        app.send_task(task, connection=connection, retry=False, **(where | message))


def test_what_a_gateway_publishes_is_counted_as_its_own_and_another_task_is_refused(
    broker: RabbitMQ, consumer: Consumer, gateway: Gateway, other: Gateway, key: APIKey
) -> None:
    publish(broker, gateway, kwargs={"events": [an_event(key)]})
    publish(broker, gateway, "metering.close_month", kwargs={"month": "2026-09", "started_by": "ceo@omixa.example"})
    publish(broker, other, kwargs={"events": [an_event(key, request_id="second")], "gateway_id": gateway.public_id})
    assert [consumer.go_round() for _ in range(3)] == [2, 1, 0]
    work()
    assert [(event.request_id, event.gateway) for event in UsageEvent.objects.all()] == [("req_1", gateway)]
    refused = QuarantinedEvent.objects.order_by("code").values_list("code", "gateway__name")
    assert list(refused) == [("other_task", "eu-1"), ("wrong_gateway", "us-1")]


@pytest.mark.parametrize("where", ["the default exchange", "another gateway's exchange", "pidbox"])
def test_rabbitmq_lets_a_gateway_publish_nowhere_else(
    broker: RabbitMQ, consumer: Consumer, gateway: Gateway, other: Gateway, where: str
) -> None:
    exchange = {"the default exchange": "", "another gateway's exchange": queue_of(other.public_id), "pidbox": "amq.fanout"}
    with pytest.raises(AccessRefused):
        publish(broker, gateway, exchange=exchange[where] or "amq.default", args=[[]])
    with Connection(url(broker, gateway.public_id), transport_options=OPTIONS) as connection, pytest.raises(AccessRefused):
        connection.Producer().publish("[]", exchange=exchange[where], routing_key=queue_of(other.public_id))
    assert consumer.go_round() == 0


def test_rabbitmq_lets_a_gateway_neither_read_nor_declare(broker: RabbitMQ, consumer: Consumer, gateway: Gateway) -> None:
    own = queue_of(gateway.public_id)
    for forbidden in (
        lambda channel: channel.basic_get(own),
        lambda channel: channel.queue_purge(own),
        lambda channel: channel.queue_delete(own),
        lambda channel: Queue("mine", Exchange("mine"))(channel).declare(),
    ):
        with Connection(url(broker, gateway.public_id)) as connection, pytest.raises(AccessRefused):
            forbidden(connection.default_channel)


def test_a_gateway_does_not_see_the_products_virtual_host(broker: RabbitMQ, gateway: Gateway) -> None:
    with Connection(url(broker, gateway.public_id, "/")) as connection, pytest.raises(NotAllowed):
        connection.connect()


def test_a_message_comes_again_when_its_reader_was_killed(
    broker: RabbitMQ, consumer: Consumer, gateway: Gateway, key: APIKey
) -> None:
    publish(broker, gateway, kwargs={"events": [an_event(key)]})
    with connected(url(broker, "omixa_gateways"), OPTIONS) as first:
        delivery = first.next(queue_of(gateway.public_id))
        assert delivery is not None
        assert consumer.go_round() == 0  # while another one holds it
    deadline = time.monotonic() + 30
    while not consumer.go_round():
        assert time.monotonic() < deadline
    work()
    assert UsageEvent.objects.count() == 1
