"""What one test leaves behind does not reach the next: it is forgotten, or the test that left it fails."""

import logging
import os
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django_celery_beat.models import PeriodicTask

from metering.ingest.intake.retention import tend_inbox
from omixa_billing import reminders
from tests import isolation
from tests.isolation import Surroundings


def test_what_was_asked_for_is_not_sent_after_it_was_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    order: list[str] = []
    began, may_end = threading.Event(), threading.Event()

    def send(task: str, _expires: float | None = None) -> None:
        sent.append(task)
        if task == "first":
            began.set()
            may_end.wait(30)
            order.append("sent")

    def forget() -> None:
        reminders.forget_asked()
        order.append("forgotten")

    monkeypatch.setattr(reminders, "remind", send)
    reminders.remind_soon("first")
    assert began.wait(30)
    reminders.remind_soon("left behind")
    assert reminders._reminder is not None
    forgetting = threading.Thread(target=forget)
    forgetting.start()
    while reminders._reminder._asked:  # until it has begun to forget
        threading.Event().wait(0.001)
    may_end.set()
    forgetting.join(30)
    assert order == ["sent", "forgotten"]
    reminders.remind_soon("next")
    for _ in range(3_000):
        if sent[-1] == "next":
            break
        threading.Event().wait(0.01)
    assert sent == ["first", "next"]


def test_a_broker_that_was_away_is_tried_again_in_the_next_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "_quiet_until", float("inf"))
    isolation.forget()
    assert reminders._quiet_until == 0


def test_what_a_test_leaves_behind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings, handler, stop = Surroundings(), logging.StreamHandler(), threading.Event()
    monkeypatch.setattr(isolation, "SECONDS_TO_END", 0)
    thread = threading.Thread(target=stop.wait, name="a thread of the test", daemon=True)
    assert surroundings.changes() == []
    thread.start()
    monkeypatch.setenv("OMIXA_LEFT", "behind")
    monkeypatch.setattr(settings._wrapped, "GATEWAY_URL", "http://left.example")
    logging.getLogger("metering").addHandler(handler)
    here = os.getcwd()
    os.chdir("/")
    try:
        assert surroundings.changes() == [
            "environment: OMIXA_LEFT changed",
            "settings: GATEWAY_URL changed",
            "log handlers: metering changed",
            "folder: current changed",
            "threads: a thread of the test did not end",
        ]
    finally:
        os.chdir(here)
        logging.getLogger("metering").removeHandler(handler)
        stop.set()
        thread.join(30)


def test_a_wrapper_of_queries_that_stays_is_named() -> None:
    def wrapper(execute: Any, *arguments: Any) -> Any:
        return execute(*arguments)

    surroundings = Surroundings()
    with connection.execute_wrapper(wrapper):
        assert surroundings.changes() == ["query wrappers: default changed"]
    assert surroundings.changes() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("time", ["first", "second"])
def test_after_a_test_that_commits_all_is_as_migrations_left_it(time: str) -> None:
    assert PeriodicTask.objects.filter(task="metering.sweep_inbox").count() == 1
    assert "metering_batch_2031_05_06" not in isolation.partitions()
    PeriodicTask.objects.all().delete()
    tend_inbox(datetime(2031, 5, 6, tzinfo=UTC))
    assert "metering_batch_2031_05_06" in isolation.partitions()
