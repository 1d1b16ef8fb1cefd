"""What is paid out to customers, and corrections that credit notes gave back: both are only ever added to."""

import django.db.models.deletion
from django.db import migrations, models

import metering.payments.refunds.models
from workspaces.migrations._guards import row_guard

ADDED_TO_ONLY = ("metering_payout", "metering_settledadjustment")


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0020_settled_usage"),
        ("workspaces", "0005_frozen_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="Payout",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=metering.payments.refunds.models.payout_id, editable=False, max_length=32, unique=True
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20)),
                ("currency", models.CharField(default="USD", max_length=3)),
                ("reference", models.CharField(max_length=200)),
                ("settled", models.JSONField(default=list)),
                ("paid_at", models.DateTimeField()),
                ("paid_by", models.CharField(max_length=300)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="payouts", to="workspaces.workspace"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="a_payout_is_above_zero"),
                    models.UniqueConstraint(fields=("workspace", "reference"), name="one_payout_per_reference"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SettledAdjustment",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("month", models.DateTimeField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("usage", "Usage"),
                            ("adjustment", "Adjustment"),
                            ("discount", "Discount"),
                            ("minimum", "Minimum commitment"),
                        ],
                        max_length=16,
                    ),
                ),
                ("service_tier", models.CharField(max_length=64)),
                ("price", models.CharField(max_length=32)),
                ("component", models.CharField(max_length=16)),
                ("quantity", models.BigIntegerField()),
                ("amount_exact", models.DecimalField(decimal_places=12, max_digits=38)),
                (
                    "credit_note",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="settled_adjustments",
                        to="metering.creditnote",
                    ),
                ),
                (
                    "language_model",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="metering.languagemodel"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["credit_note"], name="settled_by_credit_note")],
            },
        ),
        *(row_guard("written_once", "UPDATE OR DELETE", table, "metering_refuse_ledger_change") for table in ADDED_TO_ONLY),
    ]
