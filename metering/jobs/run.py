"""Keeping record of what a job does: when, for how long, how far it is, and what came of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError
from django.utils import timezone

from metering.jobs.alert import tell_operators
from metering.jobs.models import JobRun

log = structlog.get_logger(__name__)

SCHEDULE = "schedule"
SECONDS_BETWEEN_WRITES = 1.0
KEPT = 200
# An idle run of a job that runs all the time is not worth a row of its own: the last such row moves on instead.
IDLE_ROWS_MOVE_ON_WITHIN = timedelta(hours=1)


class Run:
    """One run under way. `result` is what it says it did; zeros in it count as nothing done."""

    def __init__(self, row: JobRun) -> None:
        self.row = row
        self.result: dict[str, Any] = {}
        self._written_at = time.monotonic()

    def progress(self, done: int, total: int) -> None:
        """Shown while it runs; written once a second at most."""
        if time.monotonic() - self._written_at < SECONDS_BETWEEN_WRITES:
            return
        self._written_at = time.monotonic()
        JobRun.objects.filter(pk=self.row.pk).update(done=done, total=total)

    def needs_attention(self) -> None:
        """A person should look at its result."""
        self.row.outcome = JobRun.Outcome.ATTENTION


@contextmanager
def running(job: str, started_by: str = SCHEDULE) -> Iterator[Run]:
    """Records the run. What the job raises is kept as its error and raised on; operators hear of a streak's first.

    They hear so of a run that counts what it could not do as `failed` too.
    """
    run = Run(JobRun.objects.create(job=job, started_by=started_by, started_at=timezone.now()))
    try:
        yield run
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if not _bad_before(run):
            tell_operators(f"Omixa billing: the job {job} failed", [{"job": job, "error": said}])
        _finish(run, JobRun.Outcome.FAILED, said)
        raise
    if run.result.get("failed") and not _bad_before(run):
        tell_operators(f"Omixa billing: the job {job} left something undone", [{"job": job, "counts": run.result}])
    attention = run.row.outcome == JobRun.Outcome.ATTENTION or bool(run.result.get("failed"))
    _finish(run, JobRun.Outcome.ATTENTION if attention else JobRun.Outcome.SUCCEEDED, "")


def counted(job: str, started_by: str, act: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
    """Runs `act`, whose counts are the run's result."""
    with running(job, started_by) as run:
        run.result = act(run)
    return run.result


def _bad_before(run: Run) -> bool:
    before = JobRun.objects.filter(job=run.row.job, pk__lt=run.row.pk).order_by("-pk").first()
    return before is not None and (before.outcome == JobRun.Outcome.FAILED or bool(before.result.get("failed")))


def _finish(run: Run, outcome: str, error: str) -> None:
    """Never costs the job its work: the record is written or it is not."""
    row = run.row
    try:
        if outcome == JobRun.Outcome.SUCCEEDED and row.started_by == SCHEDULE and _is_idle(run.result):
            _move_on(row)
        row.outcome, row.error, row.finished_at, row.result = outcome, error[:5000], timezone.now(), run.result
        row.save(update_fields=["outcome", "error", "finished_at", "result"])
        kept = JobRun.objects.filter(job=row.job).order_by("-pk").values_list("pk", flat=True)[KEPT : KEPT + 1]
        if oldest := kept.first():
            JobRun.objects.filter(job=row.job, pk__lte=oldest).delete()
    except DatabaseError:
        log.exception("job_run_not_recorded", job=row.job)


def _is_idle(result: dict[str, Any]) -> bool:
    return not any(result.values())


def _move_on(row: JobRun) -> None:
    """Drops the idle run before this one, if it was just before it."""
    before = JobRun.objects.filter(job=row.job, pk__lt=row.pk).order_by("-pk").first()
    if before is None or before.outcome != JobRun.Outcome.SUCCEEDED or not _is_idle(before.result):
        return
    if before.started_by == SCHEDULE and row.started_at - before.started_at < IDLE_ROWS_MOVE_ON_WITHIN:
        before.delete()
