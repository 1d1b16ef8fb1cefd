"""Finds the holds of some days among those of months: rows lie in the order of their time, so an index of a few pages will do."""

import django.contrib.postgres.indexes
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("metering", "0014_alerts")]

    operations = [
        migrations.AddIndex(
            model_name="hold",
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=["created_at"], name="holds_by_time"),
        ),
    ]
