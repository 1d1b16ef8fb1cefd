"""Orders remember their run and when to send them again, and a sweep sends them."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

NAME = "Send lost orders again"


def make_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(every=60, period="seconds")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME, defaults={"task": "metering.send_lost_orders", "interval": interval, "expire_seconds": 60}
    )


def remove_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("metering", "0029_job_orders")]

    operations = [
        migrations.AddField(
            model_name="joborder",
            name="send_again_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name="joborder",
            name="run",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="metering.jobrun",
            ),
        ),
        migrations.AddIndex(
            model_name="joborder",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", True)), fields=["send_again_at"], name="unfinished_orders"
            ),
        ),
        migrations.RunPython(make_schedule, remove_schedule),
    ]
