"""Prices of a tier that are a factor of the default tier's remember of which version, and the factor."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0024_other_components")]

    operations = [
        migrations.AddField(
            "priceversion",
            "base",
            models.ForeignKey(
                "metering.priceversion",
                django.db.models.deletion.PROTECT,
                null=True,
                editable=False,
                related_name="derived",
            ),
        ),
        migrations.AddField(
            "priceversion", "factor", models.DecimalField(max_digits=12, decimal_places=6, null=True, editable=False)
        ),
        migrations.AddConstraint(
            "priceversion",
            models.CheckConstraint(
                condition=models.Q(base__isnull=True, factor__isnull=True) | models.Q(base__isnull=False, factor__gte=0),
                name="a_derived_price_has_a_base_and_a_factor",
            ),
        ),
    ]
