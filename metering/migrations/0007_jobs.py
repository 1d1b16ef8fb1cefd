"""What jobs did, and who ordered them."""

from django.db import migrations, models
from django.utils import timezone

import metering.jobs.models
from workspaces.migrations._columns import auto_id, big_id, number_of, public_id


class Migration(migrations.Migration):
    dependencies = [("metering", "0006_payments_and_mails")]

    operations = [
        migrations.CreateModel(
            "JobRun",
            [
                ("id", big_id()),
                ("job", models.CharField(max_length=100)),
                ("started_by", models.CharField(max_length=300, default="schedule")),
                ("started_at", models.DateTimeField(default=timezone.now)),
                ("seen_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        max_length=16,
                        default="running",
                        choices=[
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("attention", "Needs attention"),
                            ("failed", "Failed"),
                        ],
                    ),
                ),
                ("done", models.IntegerField(default=0)),
                ("total", models.IntegerField(null=True)),
                ("result", models.JSONField(default=dict)),
                ("error", models.TextField(default="")),
            ],
            options={"ordering": ["-id"], "indexes": [models.Index(fields=["job", "-id"], name="runs_of_a_job")]},
        ),
        migrations.CreateModel(
            "JobOrder",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.jobs.models.order_id, unique=True, editable=True)),
                ("job", models.CharField(max_length=100)),
                ("ordered_by", models.CharField(max_length=300)),
                ("ordered_at", models.DateTimeField()),
                ("arguments", models.JSONField(default=dict)),
                ("send_again_at", models.DateTimeField(default=timezone.now)),
                ("run", number_of("metering.jobrun", null=True, related_name="+")),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["send_again_at"], condition=models.Q(finished_at__isnull=True), name="unfinished_orders"
                    )
                ]
            },
        ),
    ]
