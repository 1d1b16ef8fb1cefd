"""Events that a gateway publishes as tasks: from the moment one is received they are as safe as any others."""

import json
import signal
import time
from pathlib import Path

from tests.chaos.driver import Identity
from tests.chaos.instance import signal_all
from tests.chaos.stage import Stage

BATCHES = 40
SECONDS_TO_ARRIVE = 60

PUBLISH = """
import json, os, sys
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "omixa_billing.settings"
django.setup()
from django.conf import settings
from celery import Celery
from kombu import Queue
app = Celery(broker=settings.GATEWAY_BROKER_URL, set_as_current=False)
app.conf.broker_transport_options = settings.GATEWAY_BROKER_OPTIONS
queue = "gateways." + sys.argv[2]
where = {"exchange": queue, "routing_key": queue} if settings.GATEWAY_BROKER_URL.startswith("amqp") else {}
for events in json.load(open(sys.argv[1])):
    app.send_task("metering.ingest_events", [events], queue=Queue(queue, no_declare=True), **where)
print("true")
"""


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


def publish(stage: Stage, folder: Path) -> set[Identity]:
    """As tasks, to the gateway's queue; from then on the gateway takes their events for acknowledged. The events."""
    batches = stage.some(BATCHES)
    messages = folder / "messages.json"
    messages.write_text(json.dumps([[sent.body for sent in batch] for batch in batches]))
    assert stage.instance.python("-c", PUBLISH, str(messages), stage.world.gateway)
    happened = {sent.happened.identity: sent.happened for batch in batches for sent in batch if sent.happened}
    stage.notes.sent |= happened
    stage.notes.acknowledged |= happened.keys()
    return set(happened)


def wait_until_recorded(stage: Stage, events: set[Identity]) -> None:
    """Batches say nothing: a message that was stored and killed before its acknowledgement makes two."""
    deadline = time.monotonic() + SECONDS_TO_ARRIVE
    while (missing := len(events) - recorded(stage, events)) > 0:
        assert time.monotonic() < deadline, f"{missing} of {len(events)} events are not there"
        time.sleep(0.1)


def recorded(stage: Stage, events: set[Identity]) -> int:
    """How many of these events are there."""
    numbers = {workspace: at for at, workspace in enumerate(stage.world.workspaces)}
    rows = stage.instance.query("SELECT workspace_id, request_id, attempt FROM metering_usageevent")
    return len(events & {(numbers[workspace], request_id, attempt) for workspace, request_id, attempt in rows})


def wait_until_carried_out(order: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_ARRIVE
    while order.exists():
        assert time.monotonic() < deadline, f"nobody died at {order.name}"
        time.sleep(0.02)


def test_a_message_outlives_the_process_that_had_begun_it(redis_stage: Stage, tmp_path: Path) -> None:
    instance = redis_stage.instance
    with instance.frozen("gateways"):
        events = publish(redis_stage, tmp_path)
        order = instance.order_death("gateways", "after")
    wait_until_carried_out(order)
    wait_until_carried_out(instance.order_death("gateways", "before"))
    wait_until_recorded(redis_stage, events)
    redis_stage.reckon()


def test_on_rabbitmq_a_message_outlives_its_reader_and_the_broker(rabbitmq_stage: Stage, tmp_path: Path) -> None:
    instance = rabbitmq_stage.instance
    wait_until_declared(rabbitmq_stage)
    with instance.frozen("gateways"):
        events = publish(rabbitmq_stage, tmp_path)
        rabbitmq_stage.broker.kill(instance)
    signal_all([instance.program("gateways")], signal.SIGKILL)
    wait_until_recorded(rabbitmq_stage, events)
    rabbitmq_stage.reckon()


def test_while_the_database_is_away_the_broker_keeps_the_messages(redis_stage: Stage, tmp_path: Path) -> None:
    with redis_stage.instance.without_database():
        events = publish(redis_stage, tmp_path)
        time.sleep(3)
    wait_until_recorded(redis_stage, events)
    redis_stage.reckon()
