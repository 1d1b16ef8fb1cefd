"""Language models and the versions of their prices; the names of providers and service tiers, as the small numbers in events."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.utils import timezone

import metering.catalogue.models
from metering.migrations._columns import rate
from workspaces.migrations._columns import auto_id, belongs_to, public_id


class Migration(migrations.Migration):
    initial = True

    dependencies = [("workspaces", "0002_audit_trail")]

    operations = [
        migrations.CreateModel(
            "LanguageModel",
            [
                ("id", auto_id()),
                (
                    "slug",
                    models.CharField(
                        verbose_name="model", max_length=300, unique=True, help_text="The name that clients send as `model`."
                    ),
                ),
                ("name", models.CharField(max_length=200, blank=True)),
                ("description", models.TextField(blank=True)),
                (
                    "status",
                    models.CharField(
                        max_length=16,
                        default="listed",
                        choices=[("listed", "Listed"), ("unlisted", "Unlisted"), ("discovered", "Discovered in usage")],
                    ),
                ),
                ("alias_of", belongs_to("metering.languagemodel", blank=True, null=True, related_name="aliases")),
                ("provider", models.CharField(max_length=100, blank=True)),
                ("endpoint_type", models.CharField(max_length=100, blank=True)),
                ("context_window", models.PositiveIntegerField(verbose_name="context window, tokens", blank=True, null=True)),
                ("max_output_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("streaming", models.BooleanField(default=True)),
                ("tools", models.BooleanField(verbose_name="tool calling", default=False)),
                ("attachments", models.BooleanField(verbose_name="inline attachments", default=False)),
                ("reasoning_efforts", ArrayField(models.CharField(max_length=32), blank=True, default=list)),
                ("service_tiers", ArrayField(models.CharField(max_length=32), blank=True, default=list)),
                ("request_fields", ArrayField(models.CharField(max_length=64), blank=True, default=list)),
                ("created_at", models.DateTimeField(default=timezone.now, editable=False)),
            ],
            options={
                "ordering": ["slug"],
                "constraints": [
                    models.CheckConstraint(condition=~models.Q(alias_of=models.F("id")), name="alias_stands_for_another_model")
                ],
            },
        ),
        migrations.CreateModel(
            "PriceVersion",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.catalogue.models.price_id)),
                ("model", belongs_to("metering.languagemodel", related_name="prices")),
                ("service_tier", models.CharField(max_length=64, default="default")),
                (
                    "workspace",
                    belongs_to(
                        "workspaces.workspace", blank=True, null=True, help_text="Only for this workspace; empty: for all."
                    ),
                ),
                (
                    "above_input_tokens",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Reprices the whole request when its total input is strictly above this many tokens.",
                    ),
                ),
                ("effective_from", models.DateTimeField()),
                ("revision", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("input_rate", rate()),
                ("cached_input_rate", rate(blank=True, null=True)),
                ("cache_write_rate", rate(blank=True, null=True)),
                ("output_rate", rate()),
                ("currency", models.CharField(max_length=3, default="USD", editable=False)),
                ("created_at", models.DateTimeField(default=timezone.now, editable=False)),
            ],
            options={
                "ordering": ["model", "service_tier", "-effective_from", "-revision"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["model", "service_tier", "workspace", "above_input_tokens", "effective_from", "revision"],
                        nulls_distinct=False,
                        name="one_price_in_force_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(input_rate__gte=0, output_rate__gte=0)
                        & (models.Q(cached_input_rate__isnull=True) | models.Q(cached_input_rate__gte=0))
                        & (models.Q(cache_write_rate__isnull=True) | models.Q(cache_write_rate__gte=0)),
                        name="rates_are_not_negative",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "Provider",
            [
                ("id", models.SmallAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100, unique=True)),
            ],
        ),
        migrations.CreateModel(
            "ServiceTier",
            [
                ("id", models.SmallAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=64, unique=True)),
            ],
        ),
    ]
