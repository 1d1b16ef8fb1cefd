"""Quarantined events by request id, and by the replay they came of."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0012_schedule_the_inbox_days"),
        ("workspaces", "0002_audit_is_append_only"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="quarantinedevent",
            index=models.Index(
                condition=models.Q(("replayed_in", ""), _negated=True), fields=["replayed_in"], name="quarantine_by_replay"
            ),
        ),
        migrations.AddIndex(
            model_name="quarantinedevent",
            index=models.Index(fields=["request_id"], name="quarantine_by_request_id"),
        ),
    ]
