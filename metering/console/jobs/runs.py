"""The jobs: what runs by itself, what came of it last, how far it is, and a button to run it now."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from celery import current_app
from django.contrib import admin, messages
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.views import ChangeList

from metering.console import figures
from metering.console.jobs import findings, words
from metering.errors import JobUnknown
from metering.jobs.models import JobRun
from metering.jobs.order_job import order_job
from workspaces.console.kit.base import OperatorAdmin, actor_of

OUTCOME_LABELS = {"succeeded": "success", "running": "info", "attention": "warning", "failed": "danger", "died": "danger"}


class JobRunAdmin(OperatorAdmin):
    called = "Jobs"
    when_empty = "Each run of a job appears here."
    list_display = ("name", "began", "took", "outcome_label", "did", "started_by")
    list_display_links = ("name",)
    list_filter = (words.JobFilter, ("outcome", ChoicesDropdownFilter))
    ordering = ("-id",)
    sortable_by = ()
    list_before_template = "console/jobs/jobs.html"
    fields = (("name", "outcome_label"), ("began", "took"), ("started_by", "did"), "error", "findings")
    readonly_fields = ("name", "outcome_label", "began", "took", "started_by", "did", "error", "findings")

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metering_jobrun_{name}")

        return [page("run/<int:pk>/", self.run_now, "now"), page("table/", self.table_part, "table"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None, **rest: Any) -> HttpResponse:
        return super().changelist_view(request, {"jobs_table": jobs_table(request)} | (extra_context or {}), **rest)

    def table_part(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(jobs_table(request))

    def run_now(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Sends the task that the schedule would send; running twice at once does no harm."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        task = get_object_or_404(PeriodicTask.objects.exclude(task__startswith="celery."), pk=pk)
        try:
            order_job(task.task, actor_of(request), timezone.now())
        except JobUnknown as error:
            messages.error(request, str(error))
        except (OperationalError, OSError) as error:
            messages.error(request, f"The broker does not accept the job: {error}")
        else:
            messages.success(request, f"“{task.name}” starts as soon as a worker is free.")
        return redirect("admin:metering_jobrun_changelist")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return words.ListWithNames

    def heading_of(self, row: JobRun) -> str:
        return f"{self.name(row)}, {figures.moment(row.started_at)} UTC"

    @display(description="job")
    def name(self, run: Any) -> str:
        return getattr(run, "called", None) or words.name_of(run.job, words.names())

    @display(description="began (UTC)")
    def began(self, run: JobRun) -> str:
        return figures.moment(run.started_at)

    @display(description="took")
    def took(self, run: JobRun) -> str:
        return duration(run)

    @display(description="outcome", label=OUTCOME_LABELS)
    def outcome_label(self, run: JobRun) -> str:
        return run_outcome(run, timezone.now())

    @display(description="what it did")
    def did(self, run: JobRun) -> str:
        return run_summary(run)

    @display(description="findings")
    def findings(self, run: JobRun) -> SafeString | str:
        differences = run.result.get("differences")
        if differences is None:
            return "none"
        return findings.findings_table(differences)


def jobs_table(request: HttpRequest) -> SafeString:
    """Every scheduled job with its last run; it asks for itself again while one runs."""
    now = timezone.now()
    runs = {run.job: run for run in last_runs()}
    tasks = PeriodicTask.objects.exclude(task__startswith="celery.").select_related("interval", "crontab").order_by("name")
    rows = [
        {
            "task": task,
            "about": task_description(task.task),
            "when": words.when(task),
            "run": (run := runs.get(task.task)),
            "outcome": run_outcome(run, now) if run else "",
            "label": OUTCOME_LABELS.get(run_outcome(run, now), "") if run else "",
            "did": run_summary(run) if run else "",
            "percent": percent(run) if run else None,
            "at": run.started_at if run else task.last_run_at,
        }
        for task in tasks
    ]
    context = {"rows": rows, "running": any(row["outcome"] == "running" for row in rows)}
    return SafeString(render_to_string("console/jobs/jobs_table.html", context, request=request))


def run_outcome(run: JobRun, now: datetime) -> str:
    """A run that never ended is still running or, when nothing was heard of it for a while, died."""
    return "died" if run.died(now) else str(run.outcome)


def run_summary(run: JobRun) -> str:
    """Its counts, such as "3 sent, 1 failed"; its error where it failed."""
    if run.error:
        return run.error[:200]
    if "differences" in run.result:
        found = len(run.result["differences"])
        return f"{found:,} difference{'s' * (found != 1)}" if found else "everything agrees"
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in run.result.items() if isinstance(count, int) and count]
    if not counts and run.finished_at is None:
        return f"{run.done:,} of {run.total:,}" if run.total else ""
    return ", ".join(counts) or words.nothing_done(run)


def percent(run: JobRun) -> int | None:
    if run.finished_at is not None or not run.total:
        return None
    return run.done * 100 // run.total


def duration(run: JobRun) -> str:
    if run.finished_at is None:
        return ""
    seconds = (run.finished_at - run.started_at) / timedelta(seconds=1)
    return f"{seconds:,.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


@lru_cache(maxsize=1)
def known_tasks() -> dict[str, Any]:
    """By their names. The web server's processes load them here: only workers do so by themselves."""
    current_app.loader.import_default_modules()
    return dict(current_app.tasks)


def task_description(task: str) -> str:
    """The first line of the task's own description."""
    found = known_tasks().get(task)
    return (inspect.getdoc(found.run) or "").partition("\n")[0] if found is not None else ""


def last_runs() -> QuerySet[JobRun]:
    """The newest run of each job."""
    newest = JobRun.objects.order_by().values("job").annotate(newest=Max("pk")).values("newest")
    return JobRun.objects.filter(pk__in=newest).order_by("job")


def troubled(now: datetime) -> list[JobRun]:
    """Last runs that failed, died, or need attention."""
    return [run for run in last_runs() if run_outcome(run, now) in ("failed", "died", "attention")]


admin.site.register(JobRun, JobRunAdmin)
