"""What a gateway does that publishes its events as tasks, and what becomes of them."""

import json
import time
from pathlib import Path

from tests.chaos.driver import Identity
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
