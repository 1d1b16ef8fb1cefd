"""Scheduled jobs, and when. To add a job: a line here, and its task in the stage's `tasks.py`.

From the first start on the schedule is the operator's, edited in the console: a job that has a row there is left as it is,
switched off or at another time. A job that has none gets one, so that a release that adds a job needs nothing else.
"""

from typing import NamedTuple

from django.db import connection, transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks


class Job(NamedTuple):
    """`when` is seconds between two runs, or a time of day in UTC. `idle` says what it means that it had nothing to do."""

    task: str
    name: str
    when: int | str
    idle: str = "nothing to do"


TIMETABLE = (
    Job("metering.sweep_inbox", "Process waiting batches", 10),
    Job("metering.expire_holds", "Free holds that ran out", 10),
    Job("metering.deliver_webhooks", "Deliver webhooks", 10),
    Job("metering.send_crossings", "Send alerts of budgets and balances", 15),
    Job("metering.handle_webhooks", "Handle webhooks", 60),
    Job("metering.send_notices", "Send mails", 60),
    Job("metering.send_lost_orders", "Send lost orders again", 60),
    Job("metering.continue_reratings", "Continue re-ratings", 60),
    Job("metering.price_waiting_events", "Price events that waited for a price", 300),
    Job("metering.recover_payments", "Look up payments without an outcome", 300),
    Job("metering.top_up_balances", "Top up low balances", 300),
    Job("metering.detect_spikes", "Look for keys that spend far more than usual", 600),
    Job("metering.collect_invoices", "Collect invoices", 900),
    Job("metering.dun_invoices", "Retry declined invoices and remind", 900),
    Job("metering.forecast_budgets", "Look for budgets that will not last", 3600),
    Job("metering.announce_prices", "Announce prices that change", 3600),
    Job("metering.tidy_holds", "Sum up holds that ended", 3600),
    Job("metering.tidy_webhooks", "Drop old deliveries of webhooks", 3600),
    Job("metering.tend_inbox", "Create and drop the inbox's days", 3600),
    Job(
        "metering.close_due_months",
        "Close ended months",
        "02:15",
        "no ended month is in its grace period: “Finalize invoices” finalizes older ones",
    ),
    Job(
        "metering.finalize_due_invoices",
        "Finalize invoices",
        "02:45",
        "no month past its grace period has something to bill",
    ),
    Job("metering.expire_credits", "Write off expired credits", "03:15"),
    Job("metering.reconcile_nightly", "Prove that everything agrees", "03:30"),
    Job("metering.report_unaccounted", "Report unaccounted requests", "06:00"),
    Job("metering.tell_expiring_cards", "Send mails about expiring cards", "08:10"),
    Job("metering.tell_expiring_keys", "Send mails about expiring keys", "08:15"),
)


def apply_timetable(**signal: object) -> None:
    """Gives each job of the timetable that the schedule has no row of its row. After every migration and at every start."""
    if PeriodicTask._meta.db_table not in connection.introspection.table_names():
        return  # only some apps were migrated
    with transaction.atomic():
        known = set(PeriodicTask.objects.values_list("task", flat=True))
        names = set(PeriodicTask.objects.values_list("name", flat=True))
        new = [_row(job, names) for job in TIMETABLE if job.task not in known]
        if new:
            PeriodicTask.objects.bulk_create(new)
            PeriodicTasks.update_changed()  # a running scheduler reads its schedule again


def _row(job: Job, names: set[str]) -> PeriodicTask:
    row = PeriodicTask(name=job.task if job.name in names else job.name, task=job.task)
    if isinstance(job.when, int):
        # A run that nobody took up in time is superseded by the next: they must not pile up.
        row.expire_seconds = job.when
        row.interval = IntervalSchedule.objects.filter(every=job.when, period="seconds").first()
        row.interval = row.interval or IntervalSchedule.objects.create(every=job.when, period="seconds")
    else:
        hour, minute = job.when.split(":")
        at = {"hour": hour, "minute": minute, "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}
        row.crontab = CrontabSchedule.objects.filter(**at).first() or CrontabSchedule.objects.create(**at)
    return row
