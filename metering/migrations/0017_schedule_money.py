"""What collects, reminds and proves by itself. Made once: from then on the schedule is the operator's."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

EVERY = [
    ("Handle webhooks", "metering.handle_webhooks", 60),
    ("Send mails", "metering.send_notices", 60),
    ("Take up payments without an outcome", "metering.recover_payments", 300),
    ("Top up low balances", "metering.top_up_balances", 300),
    ("Collect invoices", "metering.collect_invoices", 900),
]
DAILY = [
    ("Finalize invoices", "metering.finalize_due_invoices", "02", "45"),
    ("Write off expired credits", "metering.expire_credits", "03", "15"),
    ("Prove that everything agrees", "metering.reconcile_nightly", "03", "30"),
    ("Retry declined invoices and remind", "metering.dun_invoices", "08", "00"),
    ("Tell of cards that expire", "metering.tell_expiring_cards", "08", "10"),
]


def make_schedule(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    for name, task, seconds in EVERY:
        interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(
            every=seconds, period="seconds"
        )
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
    dependencies = [("metering", "0016_payments_of_before")]

    operations = [migrations.RunPython(make_schedule, remove_schedule)]
