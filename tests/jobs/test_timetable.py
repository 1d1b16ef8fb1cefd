"""The timetable in code becomes rows of the schedule once; from then on the schedule is the operator's."""

from typing import Any

import pytest
from celery import current_app
from django.core.management import call_command
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from metering.jobs.timetable import TIMETABLE, apply_timetable

pytestmark = pytest.mark.django_db


def scheduled(task: str) -> Any:
    return PeriodicTask.objects.select_related("interval", "crontab").get(task=task)


def when(row: Any) -> tuple[Any, ...]:
    if row.interval is not None:
        return row.interval.every, row.interval.period, row.crontab, row.expire_seconds
    at = row.crontab
    return at.hour, at.minute, at.day_of_week, at.day_of_month, at.month_of_year, str(at.timezone), row.expire_seconds


def test_every_job_has_a_task_and_one_row() -> None:
    current_app.loader.import_default_modules()
    assert [job.task for job in TIMETABLE if job.task not in current_app.tasks] == []
    rows = PeriodicTask.objects.filter(task__startswith="metering.")
    assert sorted(rows.values_list("task", "name", "enabled")) == sorted((job.task, job.name, True) for job in TIMETABLE)


def test_a_job_runs_by_its_interval_or_at_its_time_of_day() -> None:
    assert when(scheduled("metering.dun_invoices")) == (900, "seconds", None, 900)  # a retry comes when its mail says
    assert when(scheduled("metering.close_due_months")) == ("02", "15", "*", "*", "*", "UTC", None)


def test_what_an_operator_chose_stays() -> None:
    chosen = CrontabSchedule.objects.create(hour="6", minute="30", timezone="Europe/Berlin")
    dunning = scheduled("metering.dun_invoices")
    PeriodicTask.objects.filter(pk=dunning.pk).update(
        name="Dun in the morning", crontab=chosen, interval=None, expire_seconds=None, enabled=False
    )
    before, changed = list(PeriodicTask.objects.order_by("pk").values()), PeriodicTasks.last_change()
    call_command("migrate", verbosity=0)
    assert list(PeriodicTask.objects.order_by("pk").values()) == before
    assert PeriodicTasks.last_change() == changed


def test_a_job_that_is_new_gets_its_row_and_the_scheduler_hears_of_it() -> None:
    PeriodicTask.objects.filter(task__in=["metering.send_notices", "metering.expire_credits"]).delete()
    PeriodicTask.objects.create(name="Send mails", task="of.somebodys.own", interval=IntervalSchedule.objects.all()[0])
    intervals, changed = IntervalSchedule.objects.count(), PeriodicTasks.last_change()
    apply_timetable()
    assert when(scheduled("metering.send_notices")) == (60, "seconds", None, 60)
    assert scheduled("metering.send_notices").name == "metering.send_notices"  # its own name was taken
    assert when(scheduled("metering.expire_credits")) == ("03", "15", "*", "*", "*", "UTC", None)
    assert IntervalSchedule.objects.count() == intervals
    assert PeriodicTasks.last_change() > changed
