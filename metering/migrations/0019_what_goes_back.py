"""What of a payment went back in which way, what is owed again, and mails that cannot be delivered."""

from decimal import Decimal

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

from workspaces.migrations._guards import drop_functions, row_guard

# What a finalized invoice may still change, and from which status to which, as in 0008_guards.
GUARD = """
DO $$
BEGIN
    EXECUTE replace(
        pg_get_functiondef('metering_refuse_invoice_change()'::regprocedure), $o${old}$o$, $n${new}$n$);
END $$;
"""
CHANGES = [
    ("'credited', 'amount_due'", "'credited', 'charged_back', 'amount_due'"),
    (
        "WHEN 'uncollectible' THEN NEW.status IN ('paid', 'void')",
        "WHEN 'uncollectible' THEN NEW.status IN ('paid', 'void', 'open')\n"
        "        WHEN 'paid' THEN NEW.status = 'open' AND NEW.charged_back > OLD.charged_back",
    ),
]

REFUNDS = """
CREATE FUNCTION metering_refuse_second_refund() RETURNS trigger LANGUAGE plpgsql AS $$
-- Refunds of ours only: what was given back at Stripe is a fact, and what it is too much is owed again. The lock makes two
-- refunds of one payment wait for each other.
DECLARE
    payment record;
    going numeric;
BEGIN
    SELECT amount + reopened - kept - charged_back AS stays, public_id INTO payment
    FROM metering_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount), 0) + NEW.amount INTO going
    FROM metering_refund WHERE payment_id = NEW.payment_id AND status <> 'failed';
    IF going > payment.stays THEN
        RAISE EXCEPTION 'payment %: refunds of % would be more than the % that stayed', payment.public_id, going, payment.stays
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0018_reissued_invoices"),
        ("workspaces", "0005_frozen_keys"),
    ]
    operations = [
        migrations.CreateModel(
            name="KeptPayment",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20)),
                ("returned", models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20)),
            ],
        ),
        migrations.CreateModel(
            name="ReopenedAmount",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20)),
                ("lifted", models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="invoice",
            name="due_is_total_less_credits_paid_and_credited",
        ),
        migrations.RemoveConstraint(
            model_name="payment",
            name="no_more_refunded_than_paid",
        ),
        migrations.RemoveIndex(
            model_name="notice",
            name="notices_to_be_sent",
        ),
        migrations.AddField(
            model_name="dispute",
            name="charged_back",
            field=models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20),
        ),
        migrations.AddField(
            model_name="dispute",
            name="credit_blocked",
            field=models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20),
        ),
        migrations.AddField(
            model_name="dispute",
            name="fee",
            field=models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20),
        ),
        migrations.AddField(
            model_name="dispute",
            name="lost_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="dispute",
            name="reinstated_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="invoice",
            name="charged_back",
            field=models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20),
        ),
        migrations.AddField(
            model_name="notice",
            name="undeliverable",
            field=models.CharField(
                choices=[("no_address", "No address"), ("refused", "Refused for good")], default="", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="charged_back",
            field=models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="kept",
            field=models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="reopened",
            field=models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("sent_at__isnull", True), ("undeliverable", "")),
                fields=["next_try_at", "id"],
                name="notices_to_be_tried",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount_due",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("total"), "-", models.F("credits_applied")
                                    ),
                                    "-",
                                    models.F("amount_paid"),
                                ),
                                "-",
                                models.F("credited"),
                            ),
                            "+",
                            models.F("charged_back"),
                        ),
                    )
                ),
                name="due_is_what_was_not_paid_or_credited",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(("charged_back__gte", 0)), name="charged_back_is_not_below_zero"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("charged_back__gte", 0),
                    ("kept__gte", 0),
                    ("refunded__gte", 0),
                    ("reopened__gte", 0),
                    ("charged_back__lte", models.F("amount")),
                ),
                name="what_goes_back_is_not_below_zero",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount__gte",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(models.F("refunded"), "+", models.F("kept")),
                                "+",
                                models.F("charged_back"),
                            ),
                            "-",
                            models.F("reopened"),
                        ),
                    )
                ),
                name="no_more_goes_back_than_came",
            ),
        ),
        migrations.AddField(
            model_name="keptpayment",
            name="credit_note",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="kept_parts", to="metering.creditnote"
            ),
        ),
        migrations.AddField(
            model_name="keptpayment",
            name="grant",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="metering.creditgrant"),
        ),
        migrations.AddField(
            model_name="keptpayment",
            name="payment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="kept_parts", to="metering.payment"
            ),
        ),
        migrations.AddField(
            model_name="reopenedamount",
            name="dispute",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="reopened", to="metering.dispute"
            ),
        ),
        migrations.AddField(
            model_name="reopenedamount",
            name="invoice",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="reopened", to="metering.invoice"
            ),
        ),
        migrations.AddField(
            model_name="reopenedamount",
            name="payment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="reopened_parts", to="metering.payment"
            ),
        ),
        migrations.AddField(
            model_name="reopenedamount",
            name="refund",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="reopened", to="metering.refund"
            ),
        ),
        migrations.AddConstraint(
            model_name="keptpayment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("returned__gte", 0), ("returned__lte", models.F("amount"))),
                name="no_more_is_returned_than_was_kept",
            ),
        ),
        migrations.AddConstraint(
            model_name="reopenedamount",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("lifted__gte", 0), ("lifted__lte", models.F("amount"))),
                name="no_more_is_lifted_than_was_owed",
            ),
        ),
        migrations.AddConstraint(
            model_name="reopenedamount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("dispute__isnull", False), ("refund__isnull", True)),
                    models.Q(("dispute__isnull", True), ("refund__isnull", False)),
                    _connector="OR",
                ),
                name="reopened_for_one_reason",
            ),
        ),
        *(migrations.RunSQL(GUARD.format(old=old, new=new), GUARD.format(old=new, new=old)) for old, new in CHANGES),
        migrations.RunSQL(REFUNDS, drop_functions("metering_refuse_second_refund")),
        row_guard(
            "nothing_goes_back_twice",
            "INSERT",
            "metering_refund",
            "metering_refuse_second_refund",
            when="NEW.idempotency_key NOT LIKE 'stripe-%'",
        ),
    ]
