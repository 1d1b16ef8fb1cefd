"""What each event costs us, beside what it costs its customer; and sums of both by day, where the first is known.

The sums have the shape that Citus can distribute by workspace, as the rollups have: every key contains it, and no foreign key
leads in or out (docs/decisions/0023-the-shape-of-the-schema.md).
"""

from django.db import migrations, models

from metering.migrations._columns import exact_usd
from workspaces.migrations._columns import composite_key, number_of

# As of the rollups: every worker rewrites the newest rows.
STORAGE = """
ALTER TABLE metering_dailymargin SET (fillfactor = 70);
CREATE INDEX margins_of_every_workspace ON metering_dailymargin (day);
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0026_price_imports")]

    operations = [
        migrations.AddField("usageevent", "provider_price", number_of("metering.providerprice", null=True)),
        migrations.AddField("usageevent", "provider_cost", exact_usd(30, null=True)),
        migrations.CreateModel(
            "DailyMargin",
            [
                ("pk", composite_key("workspace_id", "day", "model_id", "key_id", "provider_id", "route")),
                ("day", models.DateTimeField()),
                ("route", models.TextField()),
                ("requests", models.BigIntegerField()),
                ("unpriced_requests", models.BigIntegerField()),
                ("cost", exact_usd()),
                ("provider_cost", exact_usd()),
                ("key", number_of("workspaces.apikey")),
                ("workspace", number_of("workspaces.workspace")),
                ("model", number_of("metering.languagemodel")),
                ("provider", number_of("metering.provider")),
            ],
        ),
        migrations.RunSQL(STORAGE, "DROP INDEX margins_of_every_workspace"),
    ]
