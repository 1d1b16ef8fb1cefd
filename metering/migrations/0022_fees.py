"""Recurring fees with what was agreed of them, and manual lines: two kinds of invoice line, and accounts of their own."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import migrations, models
from django.db.models import F, Q
from django.utils import timezone

import metering.invoicing.fees.models
from metering.migrations._columns import cents
from workspaces.migrations._columns import auto_id, belongs_to, public_id
from workspaces.migrations._guards import drop_functions, row_guard

LINE_KINDS = [
    ("usage", "Usage"),
    ("adjustment", "Adjustment"),
    ("discount", "Discount"),
    ("minimum", "Minimum commitment"),
    ("fee", "Recurring fee"),
    ("manual", "One-off"),
]
ACCOUNTS = [
    ("receivable", "Receivable"),
    ("money_stripe", "Money at Stripe"),
    ("money_bank", "Money by bank transfer"),
    ("money_other", "Money by other ways"),
    ("in_dispute", "In dispute"),
    ("refunded_ahead", "Refunded without a credit note"),
    ("credit_bought", "Credit bought (deferred revenue)"),
    ("credit_promotional", "Promotional credit"),
    ("credit_goodwill", "Goodwill credit"),
    ("owed_to_customer", "Owed to customers"),
    ("surplus", "Surplus payments"),
    ("refunds_in_progress", "Refunds in progress"),
    ("tax", "Tax"),
    ("revenue_usage", "Revenue: usage"),
    ("revenue_adjustment", "Revenue: adjustments of earlier months"),
    ("revenue_minimum", "Revenue: minimum commitments"),
    ("revenue_fees", "Revenue: recurring fees"),
    ("revenue_one_off", "Revenue: manual lines"),
    ("discount", "Discounts"),
    ("breakage", "Breakage (bought credit that expired)"),
    ("promotions_given", "Promotional credit given"),
    ("goodwill_given", "Goodwill credit given"),
    ("bad_debt", "Bad debt"),
    ("chargebacks", "Chargebacks"),
    ("provider_fees", "Fees of the payment provider"),
]
MANUAL_LINES_STAY = """
CREATE FUNCTION metering_refuse_manual_line_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'manual line % never changes: add the opposite one', OLD.public_id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0021_payouts")]

    operations = [
        migrations.CreateModel(
            "RecurringFee",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.invoicing.fees.models.fee_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="fees")),
                ("name", models.CharField(max_length=100)),
            ],
            options={
                "ordering": ["workspace", "name"],
                "constraints": [models.UniqueConstraint(fields=["workspace", "name"], name="one_fee_per_workspace_and_name")],
            },
        ),
        migrations.CreateModel(
            "AgreedFee",
            [
                ("id", auto_id()),
                ("fee", belongs_to("metering.recurringfee", related_name="agreed")),
                ("effective_from", models.DateTimeField()),
                ("ends_at", models.DateTimeField(null=True)),
                ("monthly", cents(validators=[MinValueValidator(Decimal("0.00"))])),
                ("seats", models.PositiveIntegerField(null=True)),
            ],
            options={
                "ordering": ["fee", "effective_from"],
                "constraints": [
                    models.UniqueConstraint(fields=["fee", "effective_from"], name="one_agreement_per_fee_and_day"),
                    models.CheckConstraint(condition=Q(monthly__gte=0), name="a_fee_is_not_below_zero"),
                    models.CheckConstraint(
                        condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("effective_from")),
                        name="a_fee_ends_after_it_begins",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "ManualLine",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.invoicing.fees.models.manual_line_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="manual_lines")),
                ("month", models.DateTimeField()),
                ("text", models.CharField(max_length=300)),
                ("amount", cents()),
                ("created_at", models.DateTimeField(default=timezone.now)),
            ],
            options={
                "ordering": ["workspace", "month", "id"],
                "constraints": [models.CheckConstraint(condition=~Q(amount=0), name="a_manual_line_comes_to_something")],
            },
        ),
        migrations.RunSQL(MANUAL_LINES_STAY, drop_functions("metering_refuse_manual_line_change")),
        row_guard("manual_line_never_changes", "UPDATE OR DELETE", "metering_manualline", "metering_refuse_manual_line_change"),
        migrations.AlterField("invoiceline", "kind", models.CharField(choices=LINE_KINDS, max_length=16)),
        migrations.AlterField("settledadjustment", "kind", models.CharField(choices=LINE_KINDS, max_length=16)),
        migrations.AlterField("journalposting", "account", models.CharField(choices=ACCOUNTS, max_length=32)),
        migrations.AlterField("journalbalance", "account", models.CharField(choices=ACCOUNTS, max_length=32)),
    ]
