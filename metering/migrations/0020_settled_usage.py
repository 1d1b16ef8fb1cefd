"""Usage that was added up before, one row per workspace: derived, and read again where it is missing."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0019_what_goes_back"), ("workspaces", "0005_frozen_keys")]

    operations = [
        migrations.CreateModel(
            name="SettledUsage",
            fields=[
                (
                    "workspace",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="workspaces.workspace",
                    ),
                ),
                ("until", models.DateTimeField()),
                ("through", models.DateTimeField()),
                ("sums", models.JSONField(default=list)),
                ("basis", models.CharField(max_length=64)),
            ],
        ),
    ]
