"""What providers charge us, as immutable as what customers pay; imports of prices, and which versions came of them."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q

import metering.catalogue.imports.models
import metering.catalogue.providers.models
from metering.migrations._columns import rate
from workspaces.migrations._columns import auto_id, belongs_to, public_id
from workspaces.migrations._guards import row_guard


def set_by_an_import(table: str) -> models.OneToOneField:
    return models.OneToOneField(table, on_delete=django.db.models.deletion.CASCADE, null=True, related_name="imported")


def none_or_more(column: str) -> Q:
    return Q((f"{column}__isnull", True), (f"{column}__gte", 0), _connector=Q.OR)


class Migration(migrations.Migration):
    dependencies = [("metering", "0025_derived_prices")]

    operations = [
        migrations.CreateModel(
            "PriceImport",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.catalogue.imports.models.import_id)),
                ("actor", models.TextField()),
                ("name", models.CharField(blank=True, max_length=200)),
                (
                    "file_format",
                    models.CharField(
                        choices=[
                            ("litellm", "LiteLLM's price map"),
                            ("openrouter", "OpenRouter's list of models"),
                            ("csv", "CSV"),
                        ],
                        max_length=16,
                    ),
                ),
                ("content", models.BinaryField()),
                ("provider_cost", models.BooleanField(default=False)),
                ("markup", models.DecimalField(decimal_places=8, default=0, max_digits=12)),
                ("only", models.TextField(blank=True)),
                ("effective_from", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("applied_at", models.DateTimeField(null=True)),
                ("counts", models.JSONField(default=dict)),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            "ProviderPrice",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.catalogue.providers.models.provider_price_id)),
                ("provider", models.CharField(help_text="As events name it.", max_length=100)),
                (
                    "route",
                    models.CharField(blank=True, help_text="As events name it; empty: every route.", max_length=512),
                ),
                ("model", belongs_to("metering.languagemodel", related_name="provider_prices")),
                ("service_tier", models.CharField(default="default", max_length=64)),
                ("above_input_tokens", models.PositiveIntegerField(default=0)),
                ("effective_from", models.DateTimeField()),
                ("revision", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("input_rate", rate()),
                ("cached_input_rate", rate(blank=True, null=True)),
                ("cache_write_rate", rate(blank=True, null=True)),
                ("output_rate", rate()),
                ("open_rates", models.JSONField(blank=True, default=dict)),
                ("currency", models.CharField(default="USD", editable=False, max_length=3)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["provider", "route", "model", "service_tier", "-effective_from", "-revision"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "provider",
                            "route",
                            "model",
                            "service_tier",
                            "above_input_tokens",
                            "effective_from",
                            "revision",
                        ),
                        name="one_provider_price_in_force_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            ("input_rate__gte", 0),
                            ("output_rate__gte", 0),
                            none_or_more("cached_input_rate"),
                            none_or_more("cache_write_rate"),
                        ),
                        name="provider_rates_are_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=Q(("provider", ""), _negated=True), name="a_provider_price_names_its_provider"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "ImportedPrice",
            [
                ("id", auto_id()),
                ("of", belongs_to("metering.priceimport", related_name="prices")),
                ("price", set_by_an_import("metering.priceversion")),
                ("provider_price", set_by_an_import("metering.providerprice")),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            Q(("price__isnull", False), ("provider_price__isnull", True)),
                            Q(("price__isnull", True), ("provider_price__isnull", False)),
                            _connector=Q.OR,
                        ),
                        name="an_imported_price_is_one_version",
                    )
                ]
            },
        ),
        row_guard(
            "provider_prices_are_succeeded_not_changed",
            "UPDATE OR DELETE",
            "metering_providerprice",
            "metering_refuse_price_change",
        ),
    ]
