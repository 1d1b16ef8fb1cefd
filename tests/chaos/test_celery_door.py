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
from omixa_billing.celery import app
for events in json.load(open(sys.argv[1])):
    app.send_task("metering.ingest_events", [events])
print("true")
"""


def publish(stage: Stage, folder: Path) -> set[Identity]:
    """As tasks; from then on the gateway takes their events for acknowledged. The events."""
    batches = stage.some(BATCHES)
    messages = folder / "messages.json"
    messages.write_text(json.dumps([[sent.body for sent in batch] for batch in batches]))
    assert stage.instance.python("-c", PUBLISH, str(messages))
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


def test_a_message_outlives_the_process_that_had_begun_it(redis_stage: Stage, tmp_path: Path) -> None:
    with redis_stage.instance.frozen("worker"):
        events = publish(redis_stage, tmp_path)
    for _ in range(3):
        signal_all(redis_stage.instance.children_of("worker"), signal.SIGKILL)
        time.sleep(0.3)
    wait_until_recorded(redis_stage, events)
    redis_stage.reckon()


def test_on_rabbitmq_a_message_outlives_workers_and_broker(rabbitmq_stage: Stage, tmp_path: Path) -> None:
    instance = rabbitmq_stage.instance
    with instance.frozen("worker"):
        events = publish(rabbitmq_stage, tmp_path)
        rabbitmq_stage.broker.kill(instance)
    signal_all([instance.program("worker"), *instance.children_of("worker")], signal.SIGKILL)
    wait_until_recorded(rabbitmq_stage, events)
    rabbitmq_stage.reckon()


def test_while_the_database_is_away_the_broker_keeps_the_messages(redis_stage: Stage, tmp_path: Path) -> None:
    with redis_stage.instance.without_database():
        events = publish(redis_stage, tmp_path)
        time.sleep(3)
    wait_until_recorded(redis_stage, events)
    redis_stage.reckon()
