"""What runs by itself, and how often. Made once: from then on the schedule is the operator's, edited in the console."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

EVERY = [
    ("Take up waiting batches", "metering.sweep_inbox", 10),
    ("Price events that waited for a price", "metering.price_waiting_events", 300),
]
DAILY = [("Close ended months", "metering.close_due_months", "02", "15")]


def make_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    for name, task, seconds in EVERY:
        interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(
            every=seconds, period="seconds"
        )
        # A sweep that nobody took up in time is superseded by the next: they must not pile up.
        tasks.get_or_create(name=name, defaults={"task": task, "interval": interval, "expire_seconds": seconds})
    for name, task, hour, minute in DAILY:
        crontab, _ = apps.get_model("django_celery_beat", "CrontabSchedule").objects.get_or_create(
            hour=hour, minute=minute, timezone="UTC"
        )
        tasks.get_or_create(name=name, defaults={"task": task, "crontab": crontab})


def remove_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    names = [name for name, *_ in (*EVERY, *DAILY)]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0004_finalized_invoices_are_frozen"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(make_schedule, remove_schedule)]
