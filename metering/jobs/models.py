"""What the scheduled jobs did: one row per run, for operators to look at."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone

from workspaces.ids import new_id

# A run that says nothing for so long was killed: the next one makes up for it. A living one is heard every half minute.
SILENT_FOR = timedelta(minutes=2)


def order_id() -> str:
    return new_id("ord")


class JobRuns(models.QuerySet["JobRun"]):
    def alive(self, now: datetime) -> JobRuns:
        """Those in progress at `now`: begun, not ended, and heard of lately."""
        running = self.filter(outcome=JobRun.Outcome.RUNNING)
        return running.alias(heard_at=Coalesce("seen_at", "started_at")).filter(heard_at__gte=now - SILENT_FOR)


class JobRun(models.Model):
    """A run of a job, begun by the schedule or by a person. One that never finished was killed: the next makes up for it."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        ATTENTION = "attention", "Needs attention"
        FAILED = "failed", "Failed"

    id = models.BigAutoField(primary_key=True)
    # The Celery task's name, such as "metering.close_due_months".
    job = models.CharField(max_length=100)
    # "schedule", or the address of the person who pressed the button.
    started_by = models.CharField(max_length=300, default="schedule")
    started_at = models.DateTimeField(default=timezone.now)
    # When its process last said that it lives.
    seen_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.RUNNING)
    # How far a long run is: `done` of `total`; null where nobody counts.
    done = models.IntegerField(default=0)
    total = models.IntegerField(null=True)
    # What it counted or found, such as {"finalized": 3} or {"differences": [...]}.
    result = models.JSONField(default=dict)
    error = models.TextField(default="")

    objects = JobRuns.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["job", "-id"], name="runs_of_a_job")]

    def __str__(self) -> str:
        return f"{self.job} at {self.started_at:%Y-%m-%d %H:%M:%S}: {self.outcome}"

    def died(self, now: datetime) -> bool:
        return self.outcome == self.Outcome.RUNNING and now - (self.seen_at or self.started_at) > SILENT_FOR


class JobOrders(models.QuerySet["JobOrder"]):
    def unfinished(self) -> JobOrders:
        return self.filter(finished_at__isnull=True)


class JobOrder(models.Model):
    """A person's order to run a job now. The broker's message carries no more than its id: who ordered, and what, stands
    here, where nobody writes who can only publish messages."""

    public_id = models.CharField(max_length=32, unique=True, default=order_id)
    job = models.CharField(max_length=100)
    ordered_by = models.CharField(max_length=300)
    ordered_at = models.DateTimeField()
    arguments = models.JSONField(default=dict)
    # When its message counts as lost, and is sent again, if no run has begun or the one that began was killed.
    send_again_at = models.DateTimeField(default=timezone.now)
    # The last run that began with it: while that one lives, no second one begins. Old runs are dropped without a look here.
    run = models.ForeignKey(
        JobRun, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    # When its run ended. A message that comes again after that orders nothing; of a killed run it does.
    finished_at = models.DateTimeField(null=True)

    objects = JobOrders.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["send_again_at"], name="unfinished_orders", condition=models.Q(finished_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.job}, ordered by {self.ordered_by}"
