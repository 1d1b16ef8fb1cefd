"""The record of a run: its outcome, its error, how far it is, and no row for every idle minute."""

import threading
import time
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError, connection
from django.utils import timezone

from metering.jobs import heartbeat
from metering.jobs import run as module
from metering.jobs.models import JobOrder, JobRun
from metering.jobs.run import Run, begin_run, counted, recorded_run

pytestmark = pytest.mark.django_db


def begun() -> Run:
    run = begin_run("job")
    assert run is not None
    return run


def test_a_run_keeps_what_it_did() -> None:
    order = JobOrder.objects.create(job="job", ordered_by="ops", ordered_at=timezone.now())
    assert counted("job", order.public_id, lambda _: {"sent": 3, "failed": 0}) == {"sent": 3, "failed": 0}
    run = JobRun.objects.get()
    assert (run.outcome, run.result, run.started_by, run.error) == ("succeeded", {"sent": 3, "failed": 0}, "ops", "")
    assert run.finished_at is not None


def test_what_it_raises_is_kept_and_raised_on() -> None:
    with pytest.raises(LookupError, match="nothing"), recorded_run(begun()):
        raise LookupError("nothing")
    run = JobRun.objects.get()
    assert (run.outcome, run.error) == ("failed", "LookupError: nothing")


def test_operators_hear_of_a_streaks_first_failure(settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]

    def fail(_: Any) -> dict[str, Any]:
        raise LookupError("nothing")

    for act in (fail, fail, lambda _: {"sent": 1}, fail):
        try:
            counted("job", None, act)
        except LookupError:
            continue
    assert [each.subject for each in mail.outbox] == ["Omixa billing: the job job failed"] * 2
    assert "LookupError: nothing" in mail.outbox[0].body


def test_operators_hear_of_a_streaks_first_run_that_left_something_undone(settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]
    failed = iter((1, 2, 0, 3))
    for _ in range(4):
        counted("job", None, lambda _: {"sent": 1, "failed": next(failed)})
    assert [each.subject for each in mail.outbox] == ["Omixa billing: the job job left something undone"] * 2
    assert '"failed": 3' in mail.outbox[1].body


def test_a_part_that_failed_needs_attention() -> None:
    counted("job", None, lambda _: {"sent": 3, "failed": 1})
    assert JobRun.objects.get().outcome == "attention"


def test_idle_runs_are_one_row_and_busy_ones_stay() -> None:
    for sent in (0, 0, 2, 0, 0, 0):
        counted("job", None, lambda _, sent=sent: {"sent": sent})  # type: ignore[misc]
    assert [run.result["sent"] for run in JobRun.objects.order_by("pk")] == [0, 2, 0]


def test_what_fails_again_and_again_is_one_row_that_needs_attention() -> None:
    for failed in (1, 1, 2, 2, 0, 2):
        counted("job", None, lambda _, failed=failed: {"sent": 0, "failed": failed})  # type: ignore[misc]
    shown = [(run.result["failed"], run.outcome) for run in JobRun.objects.order_by("pk")]
    assert shown == [(1, "attention"), (2, "attention"), (0, "succeeded"), (2, "attention")]


def test_an_idle_run_costs_a_handful_of_statements(django_assert_num_queries: Any) -> None:
    counted("job", None, lambda _: {"sent": 0})
    # its row, the one before and its end, its own end, and whether rows are too many
    with django_assert_num_queries(5):
        counted("job", None, lambda _: {"sent": 0})


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_does_not_hide_what_the_job_raised() -> None:
    def away(*_: Any) -> Any:
        raise OperationalError("connection refused")

    with ExitStack() as outage:

        def act(_: Any) -> Any:
            outage.enter_context(connection.execute_wrapper(away))
            raise LookupError("nothing")

        with pytest.raises(LookupError, match="nothing"):
            counted("job", None, act)
    assert JobRun.objects.get().outcome == "running"


@pytest.mark.django_db(transaction=True)
def test_a_run_is_heard_while_a_step_of_it_takes_long(monkeypatch: Any) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.02)
    with recorded_run(begun()) as run:
        heard = [_next_beat(run.row.pk, None)]
        heard.append(_next_beat(run.row.pk, heard[0]))
    assert run.row.started_at < heard[0] < heard[1]
    for _ in range(500):
        if not any(thread.name.startswith("heartbeat") for thread in threading.enumerate()):
            return
        time.sleep(0.01)
    raise AssertionError("it continues after the run")


def _next_beat(pk: int, last: datetime | None) -> datetime:
    for _ in range(500):
        seen = JobRun.objects.get(pk=pk).seen_at
        if seen is not None and seen != last:
            return seen
        time.sleep(0.01)
    raise AssertionError("it is silent")


def test_what_a_person_started_keeps_its_row() -> None:
    for _ in range(2):
        order = JobOrder.objects.create(job="job", ordered_by="ops", ordered_at=timezone.now())
        counted("job", order.public_id, lambda _: {"sent": 0})
    assert JobRun.objects.count() == 2


def test_progress_is_written_once_a_second_at_most(monkeypatch: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    with recorded_run(begun()) as run:
        seen = []
        for done in range(1, 6):
            clock[0] += 0.4
            run.progress(done, 5)
            seen.append(JobRun.objects.get().done)
    assert seen == [0, 0, 3, 3, 3]


def test_old_runs_go(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    for number in range(6):
        counted("job", None, lambda _, number=number: {"sent": number + 1})  # type: ignore[misc]
    assert sorted(run.result["sent"] for run in JobRun.objects.all()) == [4, 5, 6]
