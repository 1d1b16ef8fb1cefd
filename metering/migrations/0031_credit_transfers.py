"""Credit that moves between two workspaces of one payer."""

import django.db.models.deletion
from django.db import migrations, models

import metering.credits.models
from workspaces.migrations._guards import row_guard

KINDS = [
    ("grant", "Grant"),
    ("consumption", "Consumption"),
    ("expiry", "Expiry"),
    ("reversal", "Reversal"),
    ("transfer", "Transfer"),
]


def of_workspace(related_name: str) -> models.ForeignKey:
    return models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to="workspaces.workspace")


class Migration(migrations.Migration):
    dependencies = [("metering", "0030_chargebacks")]

    operations = [
        migrations.AlterField("creditentry", "kind", models.CharField(choices=KINDS, max_length=16)),
        migrations.CreateModel(
            name="CreditTransfer",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(default=metering.credits.models.transfer_id, editable=False, max_length=32, unique=True),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20)),
                ("currency", models.CharField(default="USD", max_length=3)),
                ("reference", models.CharField(max_length=200)),
                ("reason", models.CharField(default="", max_length=300)),
                ("one_payer", models.CharField(max_length=300)),
                ("at", models.DateTimeField()),
                ("by", models.CharField(max_length=300)),
                ("from_workspace", of_workspace("credit_transfers_out")),
                ("to_workspace", of_workspace("credit_transfers_in")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="a_transfer_is_above_zero"),
                    models.CheckConstraint(
                        condition=models.Q(("from_workspace", models.F("to_workspace")), _negated=True),
                        name="a_transfer_is_between_two_workspaces",
                    ),
                    models.UniqueConstraint(fields=("from_workspace", "reference"), name="one_transfer_per_reference"),
                ],
            },
        ),
        row_guard("written_once", "UPDATE OR DELETE", "metering_credittransfer", "metering_refuse_ledger_change"),
    ]
