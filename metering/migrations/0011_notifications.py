"""What happened, for programs that want to know."""

from django.db import migrations, models

import metering.notifications.models
from workspaces.migrations._columns import big_id, public_id


class Migration(migrations.Migration):
    dependencies = [("metering", "0010_limits"), ("workspaces", "0004_allowed_models")]
    operations = [
        migrations.CreateModel(
            "Notification",
            [
                ("id", big_id()),
                ("public_id", public_id(metering.notifications.models.notification_id)),
                ("workspace", models.ForeignKey("workspaces.workspace", models.CASCADE, null=True, related_name="+")),
                ("type", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=200, unique=True)),
                ("data", models.JSONField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["created_at"], name="notifications_by_age")],
            },
        ),
    ]
