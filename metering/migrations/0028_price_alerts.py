"""Whether a workspace wants a mail before prices change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0027_provider_costs")]

    operations = [migrations.AddField("alertsettings", "price_changes", models.BooleanField(default=False))]
