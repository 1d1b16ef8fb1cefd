"""Dunning runs often enough that a retry comes when its mail says; an operator's own schedule is left alone."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django_celery_beat.models import CrontabSchedule, PeriodicTask

migration = import_module("metering.migrations.0022_topups_and_dunning")
pytestmark = pytest.mark.django_db


def scheduled() -> Any:
    return PeriodicTask.objects.select_related("interval", "crontab").get(task="metering.dun_invoices")


def test_it_runs_every_quarter_of_an_hour() -> None:
    task = scheduled()
    assert (task.interval.every, task.interval.period, task.crontab, task.expire_seconds) == (900, "seconds", None, 900)


def test_it_can_be_undone_and_done_again() -> None:
    with connection.schema_editor() as editor:
        migration.make_daily(apps, editor)
        assert (scheduled().crontab.hour, scheduled().crontab.minute, scheduled().interval) == ("08", "00", None)
        migration.make_frequent(apps, editor)
    assert scheduled().interval.every == 900


def test_what_an_operator_chose_stays() -> None:
    chosen = CrontabSchedule.objects.create(hour="6", minute="30", timezone="Europe/Berlin")
    PeriodicTask.objects.filter(pk=scheduled().pk).update(crontab=chosen, interval=None, expire_seconds=None)
    with connection.schema_editor() as editor:
        migration.make_frequent(apps, editor)
        migration.make_daily(apps, editor)
    assert (scheduled().crontab, scheduled().interval) == (chosen, None)
