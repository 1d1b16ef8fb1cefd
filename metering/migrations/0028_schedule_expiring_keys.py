"""Keys that expire are told of in time, once a day."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

NAME = "Tell of keys that expire"


def make_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    crontab, _ = apps.get_model("django_celery_beat", "CrontabSchedule").objects.get_or_create(
        hour="08", minute="15", timezone="UTC"
    )
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME, defaults={"task": "metering.tell_expiring_keys", "crontab": crontab}
    )


def remove_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("metering", "0027_events_name_their_gateway")]

    operations = [migrations.RunPython(make_schedule, remove_schedule)]
