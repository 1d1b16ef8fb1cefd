"""Credit that goes back to what it came from, and what was paid otherwise when a bank paid again."""

from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

# What a bank paid again before and no invoice took became a payment of its own.
PAID_OTHERWISE = """
UPDATE metering_reopenedamount AS reopened SET paid_otherwise = reopened.amount - reopened.lifted
FROM metering_dispute AS dispute WHERE dispute.id = reopened.dispute_id AND dispute.reinstated_at IS NOT NULL
"""
NAME = "no_more_is_lifted_than_was_owed"


class Migration(migrations.Migration):
    dependencies = [("metering", "0034_faster_decisions")]

    operations = [
        migrations.AddField("credittransfer", "cause", models.CharField(default="", max_length=255)),
        migrations.AddField(
            "credittransfer",
            "recalled",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="metering.creditgrant"
            ),
        ),
        migrations.AddField(
            "reopenedamount",
            "paid_otherwise",
            models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20),
        ),
        migrations.RunSQL(PAID_OTHERWISE, migrations.RunSQL.noop),
        migrations.RemoveConstraint("reopenedamount", NAME),
        migrations.AddConstraint(
            "reopenedamount",
            models.CheckConstraint(
                condition=Q(amount__gt=0, lifted__gte=0, paid_otherwise__gte=0)
                & Q(amount__gte=F("lifted") + F("paid_otherwise")),
                name=NAME,
            ),
        ),
    ]
