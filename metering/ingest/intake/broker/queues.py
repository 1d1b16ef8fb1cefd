"""The gateways' queues on Redis or RabbitMQ: one message at a time, which the broker keeps until it is stored.

No worker of Celery's reads them. On Redis a message stays in its list until it is removed by its own content: nothing that a
publisher wrote into it decides where it goes, and a killed process leaves it where it was. On RabbitMQ it is acknowledged.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from amqp.exceptions import AMQPError
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from metering.ingest.formats.translated import Untranslatable
from metering.ingest.intake.broker.messages import Message, read_redis

PREFIX = "gateways."
AWAY = (OperationalError, AMQPError, RedisError, OSError)


class Delivery(NamedTuple):
    """A message, and what to do with it: `done` once it is stored, `put_back` to have others go first."""

    message: Message | Untranslatable
    done: Callable[[], object]
    put_back: Callable[[], object]


class Queues(Protocol):
    """The queues of one broker."""

    def prepare(self, names: Iterable[str]) -> bool:
        """Makes the queues that are not there yet. False while another process reads them."""

    def next(self, name: str) -> Delivery | None:
        """The oldest message of a queue."""


def queue_of(gateway_id: str) -> str:
    """The queue, and on RabbitMQ the exchange, of the gateway with this public id."""
    return f"{PREFIX}{gateway_id}"


@contextmanager
def connected(url: str, options: dict[str, Any]) -> Iterator[Queues]:
    """The queues at this address. Raises one of AWAY, here or at any call."""
    with Connection(url, transport_options=options, connect_timeout=5) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
        channel = connection.default_channel
        yield RedisQueues(channel.client) if connection.transport.driver_type == "redis" else RabbitQueues(channel)


class RedisQueues:
    """Lists, as Celery publishes to them: new messages on the left.

    One process at a time reads them. Should two after all, events are stored twice and counted once.
    """

    READER = f"{PREFIX}reader"
    READS_FOR = 10_000  # milliseconds; then another process may
    # Celery makes a list of its own for each of four ranges of priority; the first is the most urgent, and all that most use.
    LISTS = ("", "\x06\x163", "\x06\x166", "\x06\x169")

    def __init__(self, client: Any) -> None:
        self.client = client
        self.me = secrets.token_hex(8)

    def prepare(self, names: Iterable[str]) -> bool:
        if self.client.set(self.READER, self.me, nx=True, px=self.READS_FOR):
            return True
        if (self.client.get(self.READER) or b"") != self.me.encode():
            return False
        self.client.set(self.READER, self.me, px=self.READS_FOR)
        return True

    def next(self, name: str) -> Delivery | None:
        for ending in self.LISTS:
            key = name + ending
            item = self.client.lindex(key, -1)
            if item is not None:
                return self._delivery(key, item)
        return None

    def _delivery(self, key: str, item: bytes) -> Delivery:
        return Delivery(read_redis(item), lambda: self._remove(key, item), lambda: self._rotate(key, item))

    def _remove(self, key: str, item: bytes) -> None:
        self.client.lrem(key, -1, item)

    def _rotate(self, key: str, item: bytes) -> None:
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.lrem(key, -1, item).lpush(key, item).execute()


class RabbitQueues:
    """Quorum queues, each behind an exchange of its own: leave to publish there is leave to publish nowhere else."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.declared: set[str] = set()

    def prepare(self, names: Iterable[str]) -> bool:
        for name in set(names) - self.declared:
            exchange = Exchange(name, "direct", durable=True)
            Queue(name, exchange, name, queue_arguments={"x-queue-type": "quorum"})(self.channel).declare()
            self.declared.add(name)
        return True

    def next(self, name: str) -> Delivery | None:
        found = self.channel.basic_get(name, no_ack=False)
        if found is None:
            return None
        body = found.body if isinstance(found.body, bytes) else str(found.body).encode()
        message = Message(found.headers or {}, found.properties.get("content_type"), body)
        tag = found.delivery_tag
        return Delivery(message, lambda: self.channel.basic_ack(tag), lambda: self.channel.basic_reject(tag, requeue=True))
