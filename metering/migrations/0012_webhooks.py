"""Where programs are notified of what happened, and what became of each request to them."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import Q

import metering.notifications.models
from workspaces.migrations._columns import auto_id, big_id, one_of, public_id


def of(table: str, **extra: object) -> models.ForeignKey:
    """A row that goes with that one."""
    return models.ForeignKey(table, on_delete=models.CASCADE, **extra)


class Migration(migrations.Migration):
    dependencies = [("metering", "0011_notifications")]
    operations = [
        migrations.CreateModel(
            "WebhookEndpoint",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.notifications.models.webhook_id)),
                ("workspace", of("workspaces.workspace", null=True, related_name="webhooks")),
                ("url", models.CharField(max_length=2048)),
                ("types", ArrayField(models.CharField(max_length=64), null=True)),
                ("description", models.CharField(blank=True, default="", max_length=200)),
                ("status", one_of("active", "disabled", default="active")),
                (
                    "disabled_because",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("manual", "Disabled by a person or a program"),
                            ("gone", "It answered 410 Gone"),
                            ("failing", "Every delivery failed for five days"),
                        ],
                        default="",
                        max_length=16,
                    ),
                ),
                ("disabled_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(status="active", disabled_because="", disabled_at=None)
                        | (Q(status="disabled", disabled_at__isnull=False) & ~Q(disabled_because="")),
                        name="a_disabled_webhook_says_since_when_and_why",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "WebhookSecret",
            [
                ("id", auto_id()),
                ("endpoint", of("metering.webhookendpoint", related_name="secrets")),
                ("sealed", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["endpoint"], condition=Q(expires_at__isnull=True), name="one_current_secret_per_webhook"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "WebhookDelivery",
            [
                ("tries", models.IntegerField(default=0)),
                ("next_try_at", models.DateTimeField(null=True)),
                ("error", models.TextField(default="")),
                ("id", big_id()),
                ("public_id", public_id(metering.notifications.models.delivery_id)),
                ("endpoint", of("metering.webhookendpoint", related_name="deliveries", db_index=False)),
                ("notification", of("metering.notification", related_name="deliveries")),
                ("status", one_of("waiting", "delivered", "failed", default="waiting")),
                ("created_at", models.DateTimeField()),
                ("sending_since", models.DateTimeField(null=True)),
                ("attempt_count", models.PositiveIntegerField(default=0)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["notification", "endpoint"], name="one_delivery_per_notification_and_webhook"
                    ),
                ],
                "indexes": [
                    models.Index(fields=["endpoint", "-id"], name="deliveries_of_a_webhook"),
                    models.Index(fields=["endpoint", "next_try_at"], condition=Q(status="waiting"), name="deliveries_waiting"),
                    models.Index(fields=["endpoint"], condition=Q(sending_since__isnull=False), name="deliveries_being_sent"),
                    models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="deliveries_by_age"),
                ],
            },
        ),
        migrations.CreateModel(
            "WebhookAttempt",
            [
                ("id", big_id()),
                ("delivery", of("metering.webhookdelivery", related_name="attempts", db_index=False)),
                ("number", models.PositiveIntegerField()),
                ("sent_at", models.DateTimeField()),
                ("duration_ms", models.PositiveIntegerField()),
                ("url", models.CharField(max_length=2048)),
                ("request_headers", models.JSONField()),
                ("answer_status", models.PositiveSmallIntegerField(null=True)),
                ("answer_body", models.TextField(blank=True, default="")),
                ("error", models.CharField(blank=True, default="", max_length=500)),
            ],
            options={
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(fields=["delivery", "number"], name="attempts_of_a_delivery_are_numbered"),
                ],
            },
        ),
    ]
