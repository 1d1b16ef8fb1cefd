"""What closing a workspace came to, written once."""

from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

from workspaces.migrations._guards import row_guard

CREDIT = [("refund", "Refunded, or else owed to the customer"), ("expire", "Expired")]


def amount() -> models.DecimalField:
    return models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20)


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0028_price_alerts"),
        ("workspaces", "0006_closed_workspaces"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClosedWorkspace",
            fields=[
                (
                    "workspace",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="closing",
                        serialize=False,
                        to="workspaces.workspace",
                    ),
                ),
                ("reason", models.CharField(max_length=300)),
                ("credit", models.CharField(choices=CREDIT, max_length=16)),
                ("invoices", models.JSONField(default=list)),
                ("keys_revoked", models.IntegerField(default=0)),
                ("refunded", amount()),
                ("owed", amount()),
                ("expired", amount()),
                ("given_expired", amount()),
                ("not_billed", amount()),
                ("closed_at", models.DateTimeField()),
                ("closed_by", models.CharField(max_length=300)),
            ],
            options={"ordering": ["-closed_at"]},
        ),
        row_guard("written_once", "UPDATE OR DELETE", "metering_closedworkspace", "metering_refuse_ledger_change"),
    ]
