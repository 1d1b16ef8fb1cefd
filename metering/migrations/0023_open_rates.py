"""Rates of components that have no column of their own, on the price version and as immutable as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0022_fees")]

    operations = [
        migrations.AddField("priceversion", "open_rates", models.JSONField(default=dict, blank=True)),
    ]
