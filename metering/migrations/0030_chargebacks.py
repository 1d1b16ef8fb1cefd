"""Chargebacks that a person recorded, beside those that Stripe reports."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0029_closed_workspaces")]

    operations = [
        migrations.AddField("dispute", "reference", models.CharField(default="", max_length=200)),
        migrations.AddField("dispute", "recorded_by", models.CharField(default="stripe", max_length=300)),
    ]
