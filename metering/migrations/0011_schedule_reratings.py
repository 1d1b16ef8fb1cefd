"""Unfinished re-ratings go on by themselves, whatever became of the reminder; corrections that wait are found by an index."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Q

NAME = "Go on with re-ratings"
SECONDS = 60


def make_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(
        every=SECONDS, period="seconds"
    )
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME, defaults={"task": "metering.continue_reratings", "interval": interval, "expire_seconds": SECONDS}
    )


def remove_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("metering", "0010_corrections_and_rerating"), ("metering", "0005_schedule")]

    operations = [
        migrations.RunPython(make_schedule, remove_schedule),
        migrations.AddIndex(
            model_name="quarantinedevent",
            index=models.Index(
                fields=["id"],
                name="corrections_waiting",
                condition=Q(settled_at__isnull=True, kind="corrections", code="unknown_event"),
            ),
        ),
    ]
