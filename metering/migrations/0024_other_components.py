"""How much of components without a column was used: of each event, in the trail of what changed it, and summed up beside the rollups.

The sums have the shape that Citus can distribute by workspace, as the rollups have: every key contains it, and no foreign key
leads in or out (docs/decisions/0023-the-shape-of-the-schema.md).
"""

from django.db import migrations, models

from metering.migrations._columns import event_status
from workspaces.migrations._columns import composite_key, number_of

# Few events have any, and an interval is asked for those alone. Sums have room on the page, as rollups have: every worker rewrites
# the newest rows.
STORAGE = """
CREATE INDEX events_with_other_components ON metering_usageevent (workspace_id, occurred_at) WHERE others IS NOT NULL;
ALTER TABLE metering_hourlyquantity SET (fillfactor = 70);
ALTER TABLE metering_dailyquantity SET (fillfactor = 70);
"""


def sums(name: str, instant: str) -> migrations.CreateModel:
    """By everything that a rollup has, and the component; `instant` is the column of the hour or day."""
    key = ("workspace_id", instant, "model_id", "key_id", "service_tier_id", "provider_id", "status", "price_id", "component")
    return migrations.CreateModel(
        name,
        [
            ("pk", composite_key(*key)),
            ("status", event_status()),
            ("price_id", models.IntegerField()),
            ("component", models.CharField(max_length=64, db_collation="C")),
            ("quantity", models.BigIntegerField()),
            (instant, models.DateTimeField()),
            ("key", number_of("workspaces.apikey")),
            ("workspace", number_of("workspaces.workspace")),
            ("model", number_of("metering.languagemodel")),
            ("provider", number_of("metering.provider")),
            ("service_tier", number_of("metering.servicetier")),
        ],
    )


class Migration(migrations.Migration):
    dependencies = [("metering", "0023_open_rates")]

    operations = [
        migrations.AddField("usageevent", "others", models.JSONField(null=True)),
        migrations.AddField("eventcorrection", "before_others", models.JSONField(null=True)),
        migrations.AddField("eventcorrection", "after_others", models.JSONField(null=True)),
        *(
            migrations.AlterField(billed, "component", models.CharField(max_length=64))
            for billed in ("invoiceline", "settledadjustment", "acceptedtakeback")
        ),
        sums("HourlyQuantity", "hour"),
        sums("DailyQuantity", "day"),
        migrations.RunSQL(STORAGE, "DROP INDEX events_with_other_components"),
    ]
