"""Keeping record of what a job does: when, for how long, how far it is, and what came of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError
from django.utils import timezone

from metering.jobs.alert import alert_operators
from metering.jobs.heartbeat import Heartbeat
from metering.jobs.models import JobOrder, JobRun
from metering.jobs.orders import begin_ordered_run, find_order, finish

log = structlog.get_logger(__name__)

SCHEDULE = "schedule"
SECONDS_BETWEEN_WRITES = 1.0
KEPT = 200
# A run that did nothing, of a job that runs all the time, is not worth a row of its own: the last such row moves on instead.
IDLE_ROWS_MOVE_ON_WITHIN = timedelta(hours=1)


class Run:
    """One run in progress. `result` is what it says it did; zeros in it count as nothing done."""

    def __init__(self, row: JobRun, order: JobOrder | None = None) -> None:
        self.row = row
        self.order = order
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


def begin_run(job: str, order: Any = None) -> Run | None:
    """In the name of who ordered it: `order` is the id of a JobOrder, or else the schedule started it, whatever a message
    says. None when that order is finished, or a living run carries it out: messages come twice.
    """
    now = timezone.now()
    found = find_order(job, order)
    if found is None:
        return Run(JobRun.objects.create(job=job, started_by=SCHEDULE, started_at=now))
    row = begin_ordered_run(found, now)
    return None if row is None else Run(row, found)


@contextmanager
def recorded_run(run: Run) -> Iterator[Run]:
    """Records the run. What the job raises is kept as its error and raised on; operators hear of a streak's first.

    They hear so of a run that counts what it could not do as `failed` too.
    """
    heartbeat = Heartbeat(run.row.pk)
    heartbeat.start()
    try:
        yield run
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        _report_streak(run, "failed", {"job": run.row.job, "error": words})
        _finish(run, JobRun.Outcome.FAILED, words)
        raise
    finally:
        heartbeat.stop()
    if run.result.get("failed"):
        _report_streak(run, "left something undone", {"job": run.row.job, "counts": run.result})
    attention = run.row.outcome == JobRun.Outcome.ATTENTION or bool(run.result.get("failed"))
    _finish(run, JobRun.Outcome.ATTENTION if attention else JobRun.Outcome.SUCCEEDED, "")


def counted(job: str, order: Any, act: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
    """Runs `act`, whose counts are the run's result. Does nothing for an order that is carried out already."""
    run = begin_run(job, order)
    if run is None:
        log.info("order_carried_out_already", job=job, order=order)
        return {}
    with recorded_run(run):
        run.result = act(run)
    return run.result


def _report_streak(run: Run, what: str, finding: dict[str, Any]) -> None:
    """Tells the operators of a failure that follows none. A database that is away does not hide the job's own error."""
    job = run.row.job
    try:
        before = JobRun.objects.filter(job=job, pk__lt=run.row.pk).order_by("-pk").first()
    except DatabaseError:
        log.exception("job_run_not_recorded", job=job)
        return
    if before is None or not (before.outcome == JobRun.Outcome.FAILED or before.result.get("failed")):
        alert_operators(f"Omixa billing: the job {job} {what}", [finding])


def _finish(run: Run, outcome: str, error: str) -> None:
    """Never costs the job its work: the record is written or it is not."""
    row = run.row
    try:
        if run.order is not None:
            finish(run.order, timezone.now())
        row.outcome, row.error, row.finished_at, row.result = outcome, error[:5000], timezone.now(), run.result
        if outcome != JobRun.Outcome.FAILED and row.started_by == SCHEDULE and _is_idle(row.result):
            _move_on(row)
        row.save(update_fields=["outcome", "error", "finished_at", "result"])
        kept = JobRun.objects.filter(job=row.job).order_by("-pk").values_list("pk", flat=True)[KEPT : KEPT + 1]
        if oldest := kept.first():
            JobRun.objects.filter(job=row.job, pk__lte=oldest).delete()
    except DatabaseError:
        log.exception("job_run_not_recorded", job=row.job)


def _is_idle(result: dict[str, Any]) -> bool:
    """Nothing done, though as many as before may have failed again."""
    return not any(count for name, count in result.items() if name != "failed")


def _move_on(row: JobRun) -> None:
    """Drops the idle run before this one, if it was just before it and says the same."""
    before = JobRun.objects.filter(job=row.job, pk__lt=row.pk).order_by("-pk").first()
    if before is None or (before.outcome, before.result) != (row.outcome, row.result):
        return
    if before.started_by == SCHEDULE and row.started_at - before.started_at < IDLE_ROWS_MOVE_ON_WITHIN:
        before.delete()
