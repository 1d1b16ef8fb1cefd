"""The journal, its balances and locked months; and what the database refuses of them."""

from django.db import migrations, models
from django.db.models import Q
from django.utils import timezone

import metering.journal.models
from metering.migrations import _journal
from workspaces.migrations._columns import auto_id, belongs_to, big_id, composite_key, public_id
from workspaces.migrations._guards import drop_functions, row_guard, truncate_guard

KINDS = [
    ("invoice_finalized", "Invoice finalized"),
    ("invoice_voided", "Invoice voided"),
    ("write_off", "Written off"),
    ("write_off_reversed", "Write-off reversed"),
    ("credit_note", "Credit note"),
    ("credit_note_settled", "Credit note settled outside"),
    ("credit_granted", "Credit granted"),
    ("credit_used", "Credit used"),
    ("credit_returned", "Credit returned"),
    ("credit_reversed", "Credit withdrawn"),
    ("credit_expired", "Credit expired"),
    ("payment_received", "Payment received"),
    ("surplus_assigned", "Surplus assigned"),
    ("refund_begun", "Refund begun"),
    ("refund_made", "Refund made"),
    ("refund_failed", "Refund failed"),
    ("dispute_opened", "Dispute opened"),
    ("dispute_won", "Dispute won"),
    ("dispute_lost", "Dispute lost"),
    ("provider_fee", "Fee of the payment provider"),
    ("payout", "Payout"),
    ("transfer", "Transfer of credit"),
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
    ("discount", "Discounts"),
    ("breakage", "Breakage (bought credit that expired)"),
    ("promotions_given", "Promotional credit given"),
    ("goodwill_given", "Goodwill credit given"),
    ("bad_debt", "Bad debt"),
    ("chargebacks", "Chargebacks"),
    ("provider_fees", "Fees of the payment provider"),
]
CLAIMS = ["receivable", "in_dispute", "refunded_ahead"]
DEBTS = ["credit_bought", "credit_promotional", "credit_goodwill", "owed_to_customer", "surplus", "refunds_in_progress"]
TABLES = ("metering_journalentry", "metering_journalposting", "metering_lockedperiod")
# These rows change with every act about their workspace, and no index knows what changes of them.
STORAGE = "ALTER TABLE metering_journalbalance SET (fillfactor = 70)"


def whose() -> models.ForeignKey:
    """Found by the indexes that begin with it."""
    return belongs_to("workspaces.workspace", related_name="+", db_index=False)


class Migration(migrations.Migration):
    dependencies = [("metering", "0015_holds_by_time"), ("workspaces", "0005_frozen_keys")]

    operations = [
        migrations.CreateModel(
            "JournalEntry",
            [
                ("id", big_id()),
                ("public_id", public_id(metering.journal.models.journal_entry_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="journal_entries", db_index=False)),
                ("kind", models.CharField(choices=KINDS, max_length=32)),
                ("key", models.CharField(max_length=300, unique=True)),
                ("document", models.CharField(max_length=255)),
                ("happened_at", models.DateTimeField()),
                ("booked_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=300)),
            ],
            options={
                "ordering": ["-id"],
                "verbose_name_plural": "journal entries",
                "indexes": [
                    models.Index(fields=["happened_at", "id"], name="journal_by_day"),
                    models.Index(fields=["workspace", "-id"], name="journal_of_a_workspace"),
                    models.Index(fields=["document"], name="journal_of_a_document"),
                ],
            },
        ),
        migrations.CreateModel(
            "JournalPosting",
            [
                ("id", big_id()),
                ("entry", belongs_to("metering.journalentry", related_name="postings")),
                ("workspace", whose()),
                ("account", models.CharField(choices=ACCOUNTS, max_length=32)),
                ("part", models.CharField(default="", max_length=255)),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.BigIntegerField()),
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["workspace", "account", "-id"], name="postings_of_an_account")],
                "constraints": [models.CheckConstraint(condition=~Q(amount=0), name="a_posting_moves_something")],
            },
        ),
        migrations.CreateModel(
            "JournalBalance",
            [
                ("pk", composite_key("workspace", "account", "part", "currency")),
                ("workspace", whose()),
                ("account", models.CharField(choices=ACCOUNTS, max_length=32)),
                ("part", models.CharField(default="", max_length=255)),
                ("currency", models.CharField(max_length=3)),
                ("balance", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=~Q(account__in=CLAIMS) | Q(balance__gte=0), name="no_claim_falls_below_zero"
                    ),
                    models.CheckConstraint(
                        condition=~Q(account__in=DEBTS) | Q(balance__lte=0), name="no_debt_falls_below_zero"
                    ),
                ]
            },
        ),
        migrations.CreateModel(
            "LockedPeriod",
            [
                ("id", auto_id()),
                ("starts_at", models.DateTimeField(unique=True)),
                ("ends_at", models.DateTimeField()),
                ("locked_at", models.DateTimeField(default=timezone.now)),
                ("locked_by", models.CharField(max_length=300)),
                ("entries", models.IntegerField()),
                ("sha256", models.CharField(max_length=64)),
            ],
            options={"ordering": ["-starts_at"]},
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        *(migrations.RunSQL(function, drop_functions(name)) for name, function in _journal.FUNCTIONS.items()),
        migrations.RunSQL(_journal.STATEMENTS, _journal.STATEMENTS_BACK),
        row_guard(
            "only_postings_change_balances",
            "INSERT OR UPDATE OR DELETE",
            "metering_journalbalance",
            "metering_refuse_balance_change",
            when="pg_trigger_depth() = 0",
        ),
        *(row_guard("written_once", "UPDATE OR DELETE", table, "metering_refuse_ledger_change") for table in TABLES),
        *(truncate_guard("never_emptied", table, "metering_refuse_truncate") for table in (*TABLES, "metering_journalbalance")),
    ]
