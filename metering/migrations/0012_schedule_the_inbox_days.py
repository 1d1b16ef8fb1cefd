"""The inbox's days are made ahead of their time, and dropped when their retention is over."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

NAME = "Make and drop the inbox's days"


def make_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(every=3600, period="seconds")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME, defaults={"task": "metering.tend_inbox", "interval": interval, "expire_seconds": 3600}
    )


def remove_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("metering", "0011_schedule_reratings")]

    operations = [migrations.RunPython(make_schedule, remove_schedule)]
