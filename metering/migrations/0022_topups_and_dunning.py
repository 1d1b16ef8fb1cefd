"""What saving a method and asking Stripe again need to know; and dunning runs often.

Declined invoices are retried when their mails say, not on the morning after, unless an operator chose otherwise.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TASK = {"name": "Retry declined invoices and remind", "task": "metering.dun_invoices"}
EACH_MORNING = {
    "minute": "00",
    "hour": "08",
    "day_of_week": "*",
    "day_of_month": "*",
    "month_of_year": "*",
    "timezone": "UTC",
}
QUARTER = {"every": 900, "period": "seconds"}


def make_frequent(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(**QUARTER)
    as_made = {f"crontab__{name}": value for name, value in EACH_MORNING.items()}
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(**TASK, **as_made)
    tasks.update(crontab=None, interval=interval, expire_seconds=900)


def make_daily(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    crontab, _ = apps.get_model("django_celery_beat", "CrontabSchedule").objects.get_or_create(**EACH_MORNING)
    as_made = {f"interval__{name}": value for name, value in QUARTER.items()}
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(**TASK, **as_made)
    tasks.update(crontab=crontab, interval=None, expire_seconds=None)


class Migration(migrations.Migration):
    dependencies = [("metering", "0021_attempts_asked_at")]

    operations = [
        migrations.AddField(model_name="paymentaccount", name="method_set_up_at", field=models.DateTimeField(null=True)),
        migrations.CreateModel(
            name="StripeKey",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=255, unique=True)),
                ("number", models.IntegerField(default=0)),
                ("began_at", models.DateTimeField()),
                ("failed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RunPython(make_frequent, make_daily),
    ]
