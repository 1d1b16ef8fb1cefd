"""Which gateway sent an event, kept with it: its batch is dropped after a while. Null on the events of before.

Without a default the column is an entry in the catalogue, however many events there are.
"""

import django.db.models.deletion
from django.db import migrations, models

STATE = [
    migrations.AddField(
        "usageevent",
        "gateway",
        models.ForeignKey(
            db_constraint=False,
            db_index=False,
            null=True,
            on_delete=django.db.models.deletion.DO_NOTHING,
            to="workspaces.gateway",
        ),
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0026_quarantine_by_workspace"),
        ("workspaces", "0011_gateway_reach"),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE metering_usageevent ADD COLUMN gateway_id integer",
            "ALTER TABLE metering_usageevent DROP COLUMN gateway_id",
            state_operations=STATE,
        ),
        migrations.AddField("quarantinedevent", "by_operator", models.BooleanField(default=False)),
    ]
