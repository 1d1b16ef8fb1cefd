"""Invoices and their lines, and what was agreed with a workspace."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models
from django.utils import timezone

import metering.invoicing.models
from metering.migrations._columns import cents, cents_from_zero, exact_usd
from workspaces.migrations._columns import auto_id, belongs_to, big_id, one_of, public_id


class Migration(migrations.Migration):
    dependencies = [("metering", "0003_usage")]

    operations = [
        migrations.CreateModel(
            "TaxRate",
            [
                ("id", auto_id()),
                ("name", models.CharField(max_length=100)),
                ("percent", models.DecimalField(max_digits=6, decimal_places=3)),
            ],
            options={
                "ordering": ["name", "percent"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(percent__gte=0, percent__lte=100), name="a_tax_is_a_percentage"),
                    models.UniqueConstraint(fields=["name", "percent"], name="one_tax_rate_per_name_and_percentage"),
                ],
            },
        ),
        migrations.CreateModel(
            "BillingTerms",
            [
                ("id", auto_id()),
                ("workspace", models.OneToOneField("workspaces.workspace", models.CASCADE, related_name="billing_terms")),
                ("legal_name", models.CharField(max_length=200, blank=True, default="")),
                ("address", models.TextField(max_length=1000, blank=True, default="")),
                ("tax_id", models.CharField(max_length=60, blank=True, default="")),
                ("recipients", ArrayField(models.EmailField(max_length=254), blank=True, default=list)),
                ("purchase_order", models.CharField(max_length=200, blank=True, default="")),
                (
                    "tax_treatment",
                    models.CharField(
                        max_length=16,
                        default="taxed",
                        choices=[("taxed", "Taxed at its rates"), ("exempt", "Exempt"), ("reverse_charge", "Reverse charge")],
                    ),
                ),
                ("tax_note", models.CharField(max_length=300, blank=True, default="")),
                ("payment_days", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("mode", one_of("postpaid", "prepaid", default="postpaid")),
                ("suspend_when_past_due", models.BooleanField(default=False)),
                ("tax_rates", models.ManyToManyField("metering.taxrate", blank=True, related_name="+")),
            ],
            options={"verbose_name_plural": "billing terms"},
        ),
        migrations.CreateModel(
            "AgreedPricing",
            [
                ("id", auto_id()),
                ("workspace", models.ForeignKey("workspaces.workspace", models.CASCADE, related_name="agreed_pricing")),
                ("effective_from", models.DateTimeField()),
                (
                    "discount_percent",
                    models.DecimalField(
                        max_digits=5,
                        decimal_places=2,
                        default=Decimal("0"),
                        validators=[MinValueValidator(0), MaxValueValidator(100)],
                    ),
                ),
                ("minimum_commitment", cents(blank=True, null=True, validators=[MinValueValidator(Decimal("0.01"))])),
            ],
            options={
                "ordering": ["workspace", "effective_from"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["workspace", "effective_from"], name="one_agreement_per_workspace_and_month"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(discount_percent__gte=0, discount_percent__lte=100),
                        name="an_agreed_discount_is_a_percentage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(minimum_commitment__isnull=True) | models.Q(minimum_commitment__gt=0),
                        name="a_minimum_is_above_zero",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "Invoice",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.invoicing.models.invoice_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="invoices")),
                ("number", models.CharField(max_length=32, unique=True, null=True)),
                ("status", one_of("draft", "open", "paid", "void", "uncollectible", default="draft")),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                ("currency", models.CharField(max_length=3, default="USD")),
                ("subtotal_exact", exact_usd(default=Decimal("0"))),
                ("subtotal", cents_from_zero()),
                ("promotional", cents_from_zero()),
                ("taxes", models.JSONField(default=list)),
                ("tax", cents_from_zero()),
                ("total", cents_from_zero()),
                ("credits_applied", cents_from_zero()),
                ("amount_paid", cents_from_zero()),
                ("credited", cents_from_zero()),
                ("amount_due", cents_from_zero()),
                ("seller", models.JSONField(default=dict)),
                ("buyer", models.JSONField(default=dict)),
                ("terms", models.JSONField(default=dict)),
                ("notes", models.JSONField(default=dict)),
                ("warnings", models.JSONField(default=list)),
                ("held", models.TextField(default="")),
                ("created_at", models.DateTimeField(default=timezone.now)),
                ("finalized_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("paid_at", models.DateTimeField(null=True)),
                ("payment_reference", models.CharField(max_length=200, blank=True, default="")),
                ("voided_at", models.DateTimeField(null=True)),
                ("status_reason", models.CharField(max_length=300, default="")),
            ],
            options={
                "ordering": ["-period_start", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["workspace", "period_start"],
                        condition=~models.Q(status="void"),
                        name="one_invoice_per_workspace_and_month",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(number__isnull=True, status="draft")
                        | models.Q(~models.Q(status="draft"), number__isnull=False),
                        name="numbered_exactly_when_finalized",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(total=models.F("subtotal") - models.F("promotional") + models.F("tax")),
                        name="total_is_subtotal_less_promotional_plus_tax",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            amount_due=models.F("total")
                            - models.F("credits_applied")
                            - models.F("amount_paid")
                            - models.F("credited")
                        ),
                        name="due_is_total_less_credits_paid_and_credited",
                    ),
                    models.CheckConstraint(
                        condition=~models.Q(status="paid") | models.Q(amount_due=0), name="nothing_is_due_on_a_paid_invoice"
                    ),
                    models.CheckConstraint(
                        condition=~models.Q(status__in=["draft", "void"]) | models.Q(amount_paid=0, credited=0),
                        name="a_draft_or_void_invoice_is_neither_paid_nor_credited",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "InvoiceLine",
            [
                ("id", big_id()),
                ("public_id", public_id(metering.invoicing.models.line_id)),
                ("invoice", models.ForeignKey("metering.invoice", models.CASCADE, related_name="lines")),
                ("position", models.IntegerField()),
                (
                    "kind",
                    models.CharField(
                        max_length=16,
                        choices=[
                            ("usage", "Usage"),
                            ("adjustment", "Adjustment"),
                            ("discount", "Discount"),
                            ("minimum", "Minimum commitment"),
                        ],
                    ),
                ),
                ("description", models.TextField()),
                ("model", models.CharField(max_length=300)),
                ("language_model", belongs_to("metering.languagemodel", null=True, related_name="+")),
                ("service_tier", models.CharField(max_length=64)),
                ("component", models.CharField(max_length=16)),
                ("quantity", models.BigIntegerField()),
                ("rate_per_million", models.DecimalField(max_digits=16, decimal_places=6)),
                ("amount_exact", exact_usd()),
                ("amount", cents_from_zero()),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                ("price", models.CharField(max_length=32)),
            ],
            options={
                "ordering": ["invoice", "position"],
                "constraints": [models.UniqueConstraint(fields=["invoice", "position"], name="one_line_per_position")],
            },
        ),
        migrations.CreateModel(
            "InvoiceSequence",
            [
                ("id", auto_id()),
                ("prefix", models.CharField(max_length=16)),
                ("year", models.IntegerField()),
                ("last", models.IntegerField(default=0)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["prefix", "year"], name="one_sequence_per_issuer_and_year")]
            },
        ),
        migrations.CreateModel(
            "AcceptedTakeBack",
            [
                ("id", big_id()),
                ("workspace", belongs_to("workspaces.workspace", related_name="+")),
                ("month", models.DateTimeField()),
                ("language_model", belongs_to("metering.languagemodel", related_name="+")),
                ("service_tier", models.CharField(max_length=64)),
                ("price", models.CharField(max_length=32)),
                ("component", models.CharField(max_length=16)),
                ("tokens", models.BigIntegerField()),
                ("reason", models.CharField(max_length=300)),
                ("accepted_by", models.CharField(max_length=300)),
                ("accepted_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["workspace", "month"], name="accepted_of_a_workspace")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(tokens__gt=0), name="what_is_taken_back_is_above_zero")
                ],
            },
        ),
    ]
