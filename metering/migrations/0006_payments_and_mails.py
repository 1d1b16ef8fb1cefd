"""Payments and everything on the way to one, what Stripe reported, and the mails that tell customers."""

from django.db import migrations, models
from django.utils import timezone

import metering.payments.models
from metering.migrations._columns import cents, cents_from_zero
from workspaces.migrations._columns import auto_id, belongs_to, big_id, one_of, public_id


class Migration(migrations.Migration):
    dependencies = [("metering", "0005_credits")]

    operations = [
        migrations.CreateModel(
            "PaymentAccount",
            [
                ("id", auto_id()),
                ("workspace", models.OneToOneField("workspaces.workspace", models.PROTECT, related_name="payment_account")),
                ("customer_id", models.CharField(max_length=255, unique=True, null=True)),
                ("setup_session_id", models.CharField(max_length=255, default="")),
                ("method_set_up_at", models.DateTimeField(null=True)),
                ("method_id", models.CharField(max_length=255, default="")),
                ("method_kind", models.CharField(max_length=40, default="")),
                ("brand", models.CharField(max_length=60, default="")),
                ("last_four", models.CharField(max_length=4, default="")),
                ("expires_year", models.SmallIntegerField(null=True)),
                ("expires_month", models.SmallIntegerField(null=True)),
                ("top_up_below", cents(null=True)),
                ("top_up_amount", cents(null=True)),
                ("top_ups_per_day", models.PositiveSmallIntegerField(default=3)),
                ("top_up_stopped", models.CharField(max_length=300, default="")),
                ("low_balance", cents(null=True)),
                ("low_balance_told_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=timezone.now)),
            ],
        ),
        migrations.CreateModel(
            "TopUp",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.payments.models.top_up_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="top_ups")),
                ("amount", cents()),
                ("currency", models.CharField(max_length=3, default="USD")),
                ("automatic", models.BooleanField(default=False)),
                ("status", one_of("pending", "paid", "failed", default="pending")),
                ("grant", models.OneToOneField("metering.creditgrant", models.PROTECT, null=True, related_name="top_up")),
                ("message", models.TextField(default="")),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=300)),
                ("settled_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(amount__gt=0), name="a_top_up_is_above_zero"),
                    models.UniqueConstraint(
                        fields=["workspace"],
                        condition=models.Q(automatic=True, status="pending"),
                        name="one_automatic_top_up_at_a_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "Payment",
            [
                ("id", big_id()),
                ("public_id", public_id(metering.payments.models.payment_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="payments")),
                ("invoice", belongs_to("metering.invoice", null=True, related_name="payments")),
                ("grant", belongs_to("metering.creditgrant", null=True, related_name="+")),
                ("amount", cents()),
                ("currency", models.CharField(max_length=3, default="USD")),
                ("method", one_of("stripe", "by_hand")),
                ("intent_id", models.CharField(max_length=255, unique=True, null=True)),
                ("reference", models.CharField(max_length=200, default="")),
                ("surplus", models.CharField(max_length=200, default="")),
                ("refunded", cents_from_zero()),
                ("received_at", models.DateTimeField()),
                ("recorded_by", models.CharField(max_length=300)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["id"], condition=~models.Q(surplus=""), name="payments_in_surplus")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(amount__gt=0), name="a_payment_is_above_zero"),
                    models.CheckConstraint(
                        condition=models.Q(refunded__gte=0, refunded__lte=models.F("amount")), name="no_more_refunded_than_paid"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "PaymentAttempt",
            [
                ("asked_at", models.DateTimeField(null=True)),
                ("busy_until", models.DateTimeField(null=True)),
                ("key_spent", models.BooleanField(default=False)),
                ("trouble", models.TextField(default="")),
                ("id", big_id()),
                ("workspace", belongs_to("workspaces.workspace", related_name="+")),
                ("invoice", belongs_to("metering.invoice", null=True, related_name="attempts")),
                ("top_up", belongs_to("metering.topup", null=True, related_name="attempts")),
                ("number", models.IntegerField()),
                ("amount", cents()),
                ("currency", models.CharField(max_length=3, default="USD")),
                ("channel", models.CharField(max_length=16, default="saved_method")),
                ("idempotency_key", models.CharField(max_length=255, unique=True)),
                ("customer_id", models.CharField(max_length=255)),
                ("method_id", models.CharField(max_length=255, default="")),
                ("session_id", models.CharField(max_length=255, default="")),
                ("session_url", models.TextField(default="")),
                ("request", models.JSONField(default=dict)),
                ("intent_id", models.CharField(max_length=255, unique=True, null=True)),
                ("status", one_of("started", "processing", "succeeded", "declined", "canceled", default="started")),
                ("code", models.CharField(max_length=100, default="")),
                ("message", models.TextField(default="")),
                ("started_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(invoice__isnull=False, top_up__isnull=True)
                        | models.Q(invoice__isnull=True, top_up__isnull=False),
                        name="an_attempt_collects_one_thing",
                    ),
                    models.UniqueConstraint(fields=["invoice", "number"], name="one_attempt_per_invoice_and_number"),
                    models.UniqueConstraint(fields=["top_up", "number"], name="one_attempt_per_top_up_and_number"),
                    models.UniqueConstraint(
                        fields=["invoice"],
                        condition=models.Q(status__in=["started", "processing"]),
                        name="one_unsettled_attempt_per_invoice",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "Dunning",
            [
                ("id", auto_id()),
                ("invoice", models.OneToOneField("metering.invoice", models.PROTECT, related_name="dunning")),
                ("state", one_of("retrying", "past_due", "settled", default="retrying")),
                ("retries", models.SmallIntegerField(default=0)),
                ("next_retry_at", models.DateTimeField(null=True)),
                ("began_at", models.DateTimeField()),
                ("past_due_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
            ],
            options={"indexes": [models.Index(fields=["next_retry_at"], name="dunning_by_next_retry")]},
        ),
        migrations.CreateModel(
            "Refund",
            [
                ("asked_at", models.DateTimeField(null=True)),
                ("busy_until", models.DateTimeField(null=True)),
                ("key_spent", models.BooleanField(default=False)),
                ("trouble", models.TextField(default="")),
                ("id", big_id()),
                ("public_id", public_id(metering.payments.models.refund_id)),
                ("payment", belongs_to("metering.payment", related_name="refunds")),
                ("credit_note", belongs_to("metering.creditnote", null=True, related_name="refunds")),
                ("amount", cents()),
                ("currency", models.CharField(max_length=3, default="USD")),
                ("credit_taken", cents_from_zero()),
                ("reason", models.CharField(max_length=300, default="")),
                ("reference", models.CharField(max_length=200, default="")),
                ("idempotency_key", models.CharField(max_length=255, unique=True)),
                ("stripe_id", models.CharField(max_length=255, unique=True, null=True)),
                ("status", one_of("started", "pending", "succeeded", "failed", default="started")),
                ("message", models.TextField(default="")),
                ("started_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("started_by", models.CharField(max_length=300)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [models.CheckConstraint(condition=models.Q(amount__gt=0), name="a_refund_is_above_zero")],
            },
        ),
        migrations.CreateModel(
            "Dispute",
            [
                ("id", big_id()),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                ("payment", belongs_to("metering.payment", related_name="disputes")),
                ("amount", cents()),
                ("currency", models.CharField(max_length=3, default="USD")),
                ("reason", models.CharField(max_length=100)),
                ("status", models.CharField(max_length=40)),
                ("opened_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            "StripeKey",
            [
                ("id", big_id()),
                ("name", models.CharField(max_length=255, unique=True)),
                ("number", models.IntegerField(default=0)),
                ("began_at", models.DateTimeField()),
                ("failed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            "WebhookEvent",
            [
                ("id", big_id()),
                ("event_id", models.CharField(max_length=255, unique=True)),
                ("type", models.CharField(max_length=255)),
                ("object_id", models.CharField(max_length=255, default="")),
                ("payload", models.JSONField()),
                ("created_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                ("status", one_of("waiting", "handled", "ignored", "failed", default="waiting")),
                ("tries", models.IntegerField(default=0)),
                ("next_try_at", models.DateTimeField(null=True)),
                ("error", models.TextField(default="")),
                ("handled_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        fields=["id"], condition=models.Q(status__in=["waiting", "failed"]), name="webhooks_to_be_handled"
                    ),
                    models.Index(
                        fields=["object_id"], condition=models.Q(type="payment_intent.succeeded"), name="webhooks_of_payments"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "IdempotencyKey",
            [
                ("id", big_id()),
                ("workspace", models.ForeignKey("workspaces.workspace", models.CASCADE, related_name="+")),
                ("key", models.CharField(max_length=255)),
                ("asked", models.CharField(max_length=64)),
                ("made", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["workspace", "key"], name="one_answer_per_idempotency_key")]
            },
        ),
        migrations.CreateModel(
            "Notice",
            [
                ("id", big_id()),
                ("workspace", models.ForeignKey("workspaces.workspace", models.CASCADE, related_name="+")),
                ("key", models.CharField(max_length=200, unique=True)),
                ("kind", models.CharField(max_length=40)),
                ("context", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("tries", models.IntegerField(default=0)),
                ("next_try_at", models.DateTimeField(null=True)),
                ("error", models.TextField(default="")),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["id"], condition=models.Q(sent_at__isnull=True), name="notices_to_be_sent")],
            },
        ),
    ]
