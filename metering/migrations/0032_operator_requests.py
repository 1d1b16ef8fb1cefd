"""What operators' programs asked for once, and what they were answered."""

import django.db.models.deletion
from django.db import migrations, models

from workspaces.migrations._guards import row_guard


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0031_credit_transfers"),
        ("workspaces", "0007_operator_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="OperatorRequest",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=255)),
                ("asked", models.CharField(max_length=64)),
                ("answer", models.JSONField()),
                ("created_at", models.DateTimeField()),
                (
                    "operator_key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="requests", to="workspaces.operatorkey"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("operator_key", "key"), name="one_answer_per_operator_key_and_idempotency_key"
                    )
                ],
            },
        ),
        row_guard("written_once", "UPDATE OR DELETE", "metering_operatorrequest", "metering_refuse_ledger_change"),
    ]
