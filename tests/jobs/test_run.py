"""The record of a run: its outcome, its error, how far it is, and no row for every idle minute."""

from typing import Any

import pytest
from django.core import mail

from metering.jobs import run as module
from metering.jobs.models import JobRun
from metering.jobs.run import counted, running

pytestmark = pytest.mark.django_db


def test_a_run_keeps_what_it_did() -> None:
    assert counted("job", "ops", lambda _: {"sent": 3, "failed": 0}) == {"sent": 3, "failed": 0}
    run = JobRun.objects.get()
    assert (run.outcome, run.result, run.started_by, run.error) == ("succeeded", {"sent": 3, "failed": 0}, "ops", "")
    assert run.finished_at is not None


def test_what_it_raises_is_kept_and_raised_on() -> None:
    with pytest.raises(LookupError, match="nothing"), running("job"):
        raise LookupError("nothing")
    run = JobRun.objects.get()
    assert (run.outcome, run.error) == ("failed", "LookupError: nothing")


def test_operators_hear_of_a_streaks_first_failure(settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]

    def fail(_: Any) -> dict[str, Any]:
        raise LookupError("nothing")

    for act in (fail, fail, lambda _: {"sent": 1}, fail):
        try:
            counted("job", "ops", act)
        except LookupError:
            continue
    assert [each.subject for each in mail.outbox] == ["Omixa billing: the job job failed"] * 2
    assert "LookupError: nothing" in mail.outbox[0].body


def test_operators_hear_of_a_streaks_first_run_that_left_something_undone(settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]
    failed = iter((1, 2, 0, 3))
    for _ in range(4):
        counted("job", "ops", lambda _: {"sent": 1, "failed": next(failed)})
    assert [each.subject for each in mail.outbox] == ["Omixa billing: the job job left something undone"] * 2
    assert '"failed": 3' in mail.outbox[1].body


def test_a_part_that_failed_needs_attention() -> None:
    counted("job", "ops", lambda _: {"sent": 3, "failed": 1})
    assert JobRun.objects.get().outcome == "attention"


def test_idle_runs_are_one_row_and_busy_ones_stay() -> None:
    for sent in (0, 0, 2, 0, 0, 0):
        counted("job", "schedule", lambda _, sent=sent: {"sent": sent})  # type: ignore[misc]
    assert [run.result["sent"] for run in JobRun.objects.order_by("pk")] == [0, 2, 0]


def test_what_a_person_started_keeps_its_row() -> None:
    for _ in range(2):
        counted("job", "ops", lambda _: {"sent": 0})
    assert JobRun.objects.count() == 2


def test_progress_is_written_once_a_second_at_most(monkeypatch: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    with running("job") as run:
        seen = []
        for done in range(1, 6):
            clock[0] += 0.4
            run.progress(done, 5)
            seen.append(JobRun.objects.get().done)
    assert seen == [0, 0, 3, 3, 3]


def test_old_runs_go(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    for number in range(6):
        counted("job", "ops", lambda _, number=number: {"sent": number + 1})  # type: ignore[misc]
    assert sorted(run.result["sent"] for run in JobRun.objects.all()) == [4, 5, 6]
