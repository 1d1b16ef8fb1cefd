"""What the scheduled jobs did: one row per run, for operators to look at."""

from django.db import models
from django.utils import timezone

from workspaces.ids import new_id


def order_id() -> str:
    return new_id("ord")


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

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["job", "-id"], name="runs_of_a_job")]

    def __str__(self) -> str:
        return f"{self.job} at {self.started_at:%Y-%m-%d %H:%M:%S}: {self.outcome}"


class JobOrder(models.Model):
    """A person's order to run a job now. The broker's message carries no more than its id: who ordered, and what, stands
    here, where nobody writes who can only publish messages."""

    public_id = models.CharField(max_length=32, unique=True, default=order_id)
    job = models.CharField(max_length=100)
    ordered_by = models.CharField(max_length=300)
    ordered_at = models.DateTimeField()
    arguments = models.JSONField(default=dict)
    # When its run ended. A message that comes again after that orders nothing; of a killed run it does.
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.job}, ordered by {self.ordered_by}"
