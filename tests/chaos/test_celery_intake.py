"""Events that a gateway publishes as tasks: from the moment one is received they are as safe as any others."""

import time
from pathlib import Path

from tests.chaos.celery_intake import SECONDS_TO_ARRIVE, publish, wait_until_recorded
from tests.chaos.stage import Stage


def wait_until_carried_out(order: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_ARRIVE
    while order.exists():
        assert time.monotonic() < deadline, f"nobody died at {order.name}"
        time.sleep(0.02)


def wait_until_written(log: Path, after: int, events: tuple[str, ...]) -> None:
    """Until the program has logged one of these events behind so many bytes."""
    deadline = time.monotonic() + SECONDS_TO_ARRIVE
    while not any(event.encode() in log.read_bytes()[after:] for event in events):
        assert time.monotonic() < deadline, f"none of {events} in {log.name}"
        time.sleep(0.05)


def test_a_message_outlives_the_process_that_had_begun_it(redis_stage: Stage, tmp_path: Path) -> None:
    instance = redis_stage.instance
    with instance.frozen("gateways"):
        events = publish(redis_stage, tmp_path)
        order = instance.order_death("gateways", "after")
    wait_until_carried_out(order)
    wait_until_carried_out(instance.order_death("gateways", "before"))
    wait_until_recorded(redis_stage, events)
    redis_stage.reckon()


def test_while_the_database_is_away_the_broker_keeps_the_messages(redis_stage: Stage, tmp_path: Path) -> None:
    with redis_stage.instance.without_database():
        log = redis_stage.instance.home / "log" / "gateways.log"
        before = log.stat().st_size
        events = publish(redis_stage, tmp_path)
        wait_until_written(log, before, ("message_waits", "storage_unavailable"))
    wait_until_recorded(redis_stage, events)
    redis_stage.reckon()
