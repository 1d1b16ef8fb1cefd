"""Closing asks each workspace for its open quarantined events. Few are open at a time: making the index takes no time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0025_refunds_by_hand_have_a_reference")]

    operations = [
        migrations.AddIndex(
            model_name="quarantinedevent",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", True)),
                fields=["workspace"],
                name="quarantine_open_by_workspace",
            ),
        ),
    ]
