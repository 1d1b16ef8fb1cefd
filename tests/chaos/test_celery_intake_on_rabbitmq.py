"""The same where the broker is RabbitMQ, which keeps a message until its reader has acknowledged it."""

import signal
import time
from pathlib import Path

from tests.chaos.celery_intake import PUBLISH, publish, wait_until_recorded
from tests.chaos.instance import signal_all
from tests.chaos.stage import Stage

DECLARED = (
    PUBLISH.partition("queue = ")[0]
    + """
from amqp.exceptions import NotFound
with app.connection_for_write() as connection:
    try:
        connection.default_channel.exchange_declare("gateways." + sys.argv[2], "direct", passive=True)
        print("true")
    except NotFound:
        print("false")
"""
)


def wait_until_declared(stage: Stage) -> None:
    """The reader declares a gateway's queue on RabbitMQ a moment after the gateway was made."""
    deadline = time.monotonic() + 60
    while not stage.instance.python("-c", DECLARED, "", stage.world.gateway):
        assert time.monotonic() < deadline, "the gateway's queue was not declared"
        time.sleep(0.5)


def test_on_rabbitmq_a_message_outlives_its_reader_and_the_broker(rabbitmq_stage: Stage, tmp_path: Path) -> None:
    instance = rabbitmq_stage.instance
    wait_until_declared(rabbitmq_stage)
    with instance.frozen("gateways"):
        events = publish(rabbitmq_stage, tmp_path)
        rabbitmq_stage.broker.kill(instance)
    signal_all([instance.program("gateways")], signal.SIGKILL)
    wait_until_recorded(rabbitmq_stage, events)
    rabbitmq_stage.reckon()
