"""The same on RabbitMQ, with quorum queues and publisher confirms, and with a disk that runs full."""

import subprocess
import time
from contextlib import suppress

import psycopg
import pytest
from kombu import Connection

from omixa_billing.embedded.cluster import NAME, binaries
from omixa_billing.embedded.roles import SUPERUSER
from tests.chaos.brokers import PrivateRabbitMQ
from tests.chaos.disk import SmallDisk
from tests.chaos.instance import Instance
from tests.chaos.stage import Stage
from tests.chaos.story import Plan, play

EVENTS = 1_500
KINDS = ["worker_after_commit", "broker_forgets", "worker_process", "web_after_commit"]

# Its connection is made while all is well; then the whole node stands still.
REMIND_WHILE_IT_HANGS = """
import json, os, signal, sys, time
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "omixa_billing.settings"
django.setup()
from omixa_billing import reminders
group = int(sys.argv[1])
reminders.remind("metering.process_waiting_batches")
assert reminders._quiet_until == 0
os.killpg(group, signal.SIGSTOP)
try:
    started = time.monotonic()
    reminders.remind("metering.process_waiting_batches")
    seconds, gave_up = time.monotonic() - started, reminders._quiet_until > 0
finally:
    os.killpg(group, signal.SIGCONT)
reminders._quiet_until = 0
reminders.remind("metering.process_waiting_batches")
print(json.dumps({"seconds": seconds, "gave_up": gave_up, "reminded_afterwards": reminders._quiet_until == 0}))
"""


def test_every_acknowledged_event_counts_once_on_rabbitmq_too(rabbitmq_stage: Stage) -> None:
    figures = play(rabbitmq_stage, Plan(EVENTS, len(KINDS), dict.fromkeys(KINDS, 1)))
    print(figures)
    assert figures["kills"] == len(KINDS)


def test_reminders_go_through_a_confirmed_quorum_queue(rabbitmq_stage: Stage) -> None:
    broker = rabbitmq_stage.broker
    assert isinstance(broker, PrivateRabbitMQ)
    with Connection(broker.server.url) as connection, connection.channel() as channel:
        channel.queue_declare("celery", passive=True)
        # Declaring it again with anything but what it is would be refused.
        channel.queue_declare("celery", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})


def test_beat_and_workers_find_a_broker_that_was_away(rabbitmq_stage: Stage) -> None:
    broker = rabbitmq_stage.broker
    assert isinstance(broker, PrivateRabbitMQ)
    running = rabbitmq_stage.programs_at_work()
    with rabbitmq_stage.gateway() as gateway:
        before = gateway.notes.answers.copy()
        broker.server.kill()
        gateway.hand_over(rabbitmq_stage.some(4))
        assert gateway.wait_until_delivered(20)
        assert (gateway.notes.answers - before).keys() == {"202"}
        broker.server.start()
    rabbitmq_stage.reckon()
    assert rabbitmq_stage.instance.programs() == running


def test_a_broker_that_hangs_holds_a_reminder_up_for_seconds_only(rabbitmq_stage: Stage) -> None:
    broker = rabbitmq_stage.broker
    assert isinstance(broker, PrivateRabbitMQ)
    result = rabbitmq_stage.instance.python("-c", REMIND_WHILE_IT_HANGS, str(broker.server.server.pid))
    assert result["seconds"] < 10
    assert (result["gave_up"], result["reminded_afterwards"]) == (True, True)


def test_a_full_disk_costs_patience_and_nothing_else(rabbitmq_stage: Stage, disk: SmallDisk | str) -> None:
    if not isinstance(disk, SmallDisk):
        pytest.skip(disk)
    instance, notes = rabbitmq_stage.instance, rabbitmq_stage.notes
    before = notes.answers["503"]
    with rabbitmq_stage.gateway() as gateway:
        deadline = time.monotonic() + 30
        while True:
            disk.fill()  # again and again: a server that gave up and comes back begins by tidying up
            gateway.hand_over(rabbitmq_stage.some(4))
            if not gateway.wait_until_delivered(1) and notes.answers["503"] > before:
                break
            assert time.monotonic() < deadline
        with suppress(psycopg.Error), instance.cluster.connect(user=SUPERUSER) as connection:
            connection.execute("SELECT pg_switch_wal()")  # and not even room for the log
        gateway.wait_until_delivered(0.5)
        disk.free()
    rabbitmq_stage.reckon()
    assert corruption(instance) == ""


def corruption(instance: Instance) -> str:
    """What PostgreSQL's own examination of every table and index finds."""
    where = ["--host", str(instance.cluster.sockets), "--username", SUPERUSER, NAME]
    command = [str(binaries() / "pg_amcheck"), "--install-missing", "--heapallindexed", *where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr if done.returncode else ""
