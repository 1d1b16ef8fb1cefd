"""The two brokers under test, as what can happen to either: it is killed, it forgets everything, it delivers once too often."""

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from tests.chaos.instance import Instance, signal_all
from tests.chaos.rabbitmq import RabbitMQ

REMINDERS = ("metering.process_waiting_batches", "metering.sweep_inbox")


class Broker(Protocol):
    """`environment` makes a product use it."""

    name: str
    environment: dict[str, str]

    def kill(self, instance: Instance) -> int:
        """SIGKILL; how many processes died. It comes back by itself."""

    def forget(self, instance: Instance) -> int:
        """Everything queued is lost; how many processes died of that."""

    def remind(self, instance: Instance, times: int) -> None:
        """Messages for every worker at once, more than there is work."""


class EmbeddedRedis:
    """The one that the product brings along; its supervisor starts it again."""

    name = "redis"
    environment: dict[str, str] = {}

    def kill(self, instance: Instance) -> int:
        return signal_all([instance.program("redis")], signal.SIGKILL)

    def forget(self, instance: Instance) -> int:
        with suppress(redis.ConnectionError):  # killed a moment ago: then it has forgotten everything
            redis.Redis(unix_socket_path=self._socket(instance)).flushall()
        return 0

    def remind(self, instance: Instance, times: int) -> None:
        send(f"redis+socket://{self._socket(instance)}", times)

    def _socket(self, instance: Instance) -> str:
        return str(instance.home / "run" / "redis.sock")


class PrivateRabbitMQ:
    """Debian's, which this object starts again."""

    name = "rabbitmq"

    def __init__(self, server: RabbitMQ) -> None:
        self.server = server
        self.environment = {"CELERY_BROKER_URL": server.url}
        self._is_new = False

    def kill(self, instance: Instance) -> int:
        self._end()
        self.server.start()
        return 1

    def forget(self, instance: Instance) -> int:
        """Its data are gone too, queues and all: as a broker that was replaced by an empty one."""
        self._end()
        shutil.rmtree(self.server.folder / "data", ignore_errors=True)
        self.server.start()
        self._is_new = True
        return 1

    def _end(self) -> None:
        """Not in the first start of a new node: what it has not enabled by then, quorum queues too, stays disabled for ever."""
        if self._is_new:
            self.server.wait_until_up()
            self._is_new = False
        self.server.kill()

    def remind(self, instance: Instance, times: int) -> None:
        send(self.server.url, times)


@contextmanager
def private_rabbitmq() -> Iterator[PrivateRabbitMQ]:
    folder = Path(tempfile.mkdtemp(prefix="omixa-rabbitmq-"))
    try:
        with RabbitMQ(folder / "node").running() as server:
            yield PrivateRabbitMQ(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def send(url: str, times: int) -> None:
    """From four threads at once, with nothing of the product's but the names of its tasks. A broker that is away gets none."""

    def some() -> None:
        app = Celery(broker=url, set_as_current=False)
        app.conf.task_default_queue_type = "quorum" if url.startswith("amqp") else "classic"
        app.conf.broker_connection_timeout = 2
        app.conf.broker_transport_options = {"max_retries": 0}
        with suppress(OSError, OperationalError), app.connection() as connection:
            for at in range(times // 4):
                app.send_task(REMINDERS[at % 2], retry=False, connection=connection)

    threads = [threading.Thread(target=some, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    for thread in threads:
        thread.join(max(0.1, deadline - time.monotonic()))
