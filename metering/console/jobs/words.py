"""Jobs in words: their names, when they run, and why one did nothing."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList

from metering.jobs.models import JobRun
from metering.jobs.timetable import TIMETABLE

# Jobs that no schedule names.
UNSCHEDULED = {"metering.close_month": "Close a month", "metering.work_out_costs": "Work out costs again"}
IDLE = {
    **{job.task: job.idle for job in TIMETABLE},
    "metering.close_month": "no workspace has anything to bill for the month",
    "metering.work_out_costs": "no request of the model was recorded since then",
}
SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def when(task: PeriodicTask) -> str:
    """`daily at 02:15 UTC`, `every 15 minutes`; a schedule too particular for words as Celery writes it."""
    if task.interval is not None:
        return every(task.interval)
    return at(task.crontab) if task.crontab is not None else str(task.scheduler)


def every(interval: IntervalSchedule) -> str:
    unit = SECONDS.get(str(interval.period))
    if unit is None:
        return str(interval)
    seconds = interval.every * unit
    name, size = next((name, size) for name, size in UNITS if seconds % size == 0)
    count = seconds // size
    return f"every {name}" if count == 1 else f"every {count:,} {name}s"


def at(crontab: CrontabSchedule) -> str:
    days = (crontab.day_of_month, crontab.month_of_year)
    minute, hour, weekday = str(crontab.minute), str(crontab.hour), str(crontab.day_of_week)
    if days != ("*", "*") or not minute.isdecimal() or not (hour.isdecimal() or hour == "*"):
        return str(crontab)
    if hour == "*":
        return f"hourly at {minute.zfill(2)} minutes past" if weekday == "*" else str(crontab)
    time = f"at {hour.zfill(2)}:{minute.zfill(2)} {crontab.timezone}"
    if weekday == "*":
        return f"daily {time}"
    return f"on {WEEKDAYS[int(weekday) % 7]}s {time}" if weekday.isdecimal() else str(crontab)


def names() -> dict[str, str]:
    """What each job is called, by its task: as the schedule calls it. One statement."""
    scheduled = PeriodicTask.objects.order_by("-pk").values_list("task", "name")
    return UNSCHEDULED | dict(scheduled)


def name_of(job: str, known: dict[str, str]) -> str:
    return known.get(job) or job.removeprefix("metering.").replace("_", " ").capitalize()


def nothing_done(run: JobRun) -> str:
    return IDLE.get(run.job, "nothing to do")


class ListWithNames(ChangeList):
    """Each run with its job's `called`."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        known = names()
        for run in self.result_list:
            run.called = name_of(run.job, known)


class JobFilter(DropdownFilter):
    title = "job"
    parameter_name = "job"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(((job, name) for job, name in names().items() if job.startswith("metering.")), key=lambda each: each[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        return queryset.filter(job=self.value()) if self.value() else queryset
