"""Closing asks each workspace for its open quarantined events."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("metering", "0025_refunds_by_hand_have_a_reference")]

    operations = [
        AddIndexConcurrently(
            model_name="quarantinedevent",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", True)),
                fields=["workspace"],
                name="quarantine_open_by_workspace",
            ),
        ),
    ]
