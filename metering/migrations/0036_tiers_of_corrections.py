"""A correction may find that another tier served: both are on the trail."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


def a_tier() -> models.ForeignKey:
    return models.ForeignKey(
        "metering.servicetier",
        on_delete=django.db.models.deletion.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )


class Migration(migrations.Migration):
    dependencies: ClassVar = [("metering", "0035_money_that_comes_back")]
    operations: ClassVar = [
        migrations.AddField("eventcorrection", "before_tier", a_tier()),
        migrations.AddField("eventcorrection", "after_tier", a_tier()),
    ]
