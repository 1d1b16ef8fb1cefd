"""Discount and minimum get a beginning: what is agreed today changes no month before it. And take-backs that were accepted."""

from datetime import UTC, datetime
from decimal import Decimal

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# Until now a discount held for every month.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def give_beginnings(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    agreed = apps.get_model("metering", "AgreedPricing").objects
    for terms in apps.get_model("metering", "BillingTerms").objects.order_by("pk"):
        if terms.discount_percent:
            agreed.create(workspace_id=terms.workspace_id, effective_from=BEGINNING, discount_percent=terms.discount_percent)
        if terms.minimum_commitment is not None:
            agreed.update_or_create(
                workspace_id=terms.workspace_id,
                effective_from=terms.minimum_from,
                defaults={"discount_percent": terms.discount_percent, "minimum_commitment": terms.minimum_commitment},
            )


def give_the_latest_back(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    terms = apps.get_model("metering", "BillingTerms").objects
    for agreed in apps.get_model("metering", "AgreedPricing").objects.order_by("effective_from"):
        committed = agreed.minimum_commitment is not None
        terms.update_or_create(
            workspace_id=agreed.workspace_id,
            defaults={
                "discount_percent": agreed.discount_percent,
                "minimum_commitment": agreed.minimum_commitment,
                "minimum_from": agreed.effective_from if committed else None,
            },
        )


class Migration(migrations.Migration):
    dependencies = [("metering", "0023_notices_and_heartbeats"), ("workspaces", "0003_suspension")]

    operations = [
        migrations.CreateModel(
            name="AgreedPricing",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("effective_from", models.DateTimeField()),
                (
                    "discount_percent",
                    models.DecimalField(
                        decimal_places=2,
                        default=Decimal("0"),
                        max_digits=5,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "minimum_commitment",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=20,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(Decimal("0.01"))],
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="agreed_pricing",
                        to="workspaces.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["workspace", "effective_from"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "effective_from"), name="one_agreement_per_workspace_and_month"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("discount_percent__gte", 0), ("discount_percent__lte", 100)),
                        name="an_agreed_discount_is_a_percentage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("minimum_commitment__isnull", True), ("minimum_commitment__gt", 0), _connector="OR"
                        ),
                        name="a_minimum_is_above_zero",
                    ),
                ],
            },
        ),
        migrations.RunPython(give_beginnings, give_the_latest_back),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="billingterms", name="a_discount_is_a_percentage"),
        migrations.RemoveConstraint(model_name="billingterms", name="a_minimum_is_above_zero_and_begins_somewhere"),
        migrations.RemoveField(model_name="billingterms", name="discount_percent"),
        migrations.RemoveField(model_name="billingterms", name="minimum_commitment"),
        migrations.RemoveField(model_name="billingterms", name="minimum_from"),
        migrations.CreateModel(
            name="AcceptedTakeBack",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("month", models.DateTimeField()),
                ("service_tier", models.CharField(max_length=64)),
                ("price", models.CharField(max_length=32)),
                ("component", models.CharField(max_length=16)),
                ("tokens", models.BigIntegerField()),
                ("reason", models.CharField(max_length=300)),
                ("accepted_by", models.CharField(max_length=300)),
                ("accepted_at", models.DateTimeField()),
                (
                    "language_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="metering.languagemodel"
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="workspaces.workspace"),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["workspace", "month"], name="accepted_of_a_workspace")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("tokens__gt", 0)), name="what_is_taken_back_is_above_zero"),
                ],
            },
        ),
    ]
