"""Credits as a ledger that is only added to, credit notes, and the papers that were issued."""

from django.db import migrations, models
from django.utils import timezone

import metering.credits.models
import metering.invoicing.credit_notes.models
from metering.migrations._columns import cents, cents_from_zero
from workspaces.migrations._columns import auto_id, belongs_to, big_id, one_of, public_id


class Migration(migrations.Migration):
    dependencies = [("metering", "0004_invoices")]

    operations = [
        migrations.CreateModel(
            "CreditGrant",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.credits.models.grant_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="credit_grants")),
                ("kind", one_of("promotional", "purchased", "goodwill")),
                ("amount", cents()),
                ("currency", models.CharField(max_length=3, default="USD")),
                ("priority", models.SmallIntegerField(default=100)),
                ("expires_at", models.DateTimeField(null=True)),
                ("note", models.CharField(max_length=300, default="")),
                ("source", models.CharField(max_length=300, null=True)),
                ("granted_at", models.DateTimeField(default=timezone.now)),
                ("granted_by", models.CharField(max_length=300)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(amount__gt=0), name="a_grant_is_above_zero"),
                    models.UniqueConstraint(fields=["workspace", "source"], name="one_grant_per_source"),
                ],
            },
        ),
        migrations.CreateModel(
            "CreditEntry",
            [
                ("id", big_id()),
                ("public_id", public_id(metering.credits.models.entry_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="+")),
                ("grant", belongs_to("metering.creditgrant", related_name="entries")),
                ("kind", one_of("grant", "consumption", "expiry", "reversal")),
                ("amount", cents()),
                ("invoice", belongs_to("metering.invoice", null=True, related_name="credit_entries")),
                ("reason", models.CharField(max_length=300, default="")),
                ("at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["workspace", "-id"], name="credit_entries_of_a_workspace")],
                "constraints": [
                    models.CheckConstraint(condition=~models.Q(amount=0), name="a_credit_entry_moves_something"),
                    models.UniqueConstraint(
                        fields=["grant", "invoice", "kind"],
                        condition=models.Q(invoice__isnull=False),
                        name="one_credit_entry_per_grant_invoice_and_kind",
                    ),
                    models.UniqueConstraint(
                        fields=["grant", "kind"],
                        condition=models.Q(kind__in=["grant", "expiry"]),
                        name="granted_and_expired_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "CreditNote",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.invoicing.credit_notes.models.credit_note_id)),
                ("invoice", belongs_to("metering.invoice", related_name="credit_notes")),
                ("number", models.CharField(max_length=32, unique=True)),
                ("reason", models.CharField(max_length=300)),
                ("currency", models.CharField(max_length=3, default="USD")),
                ("subtotal", cents_from_zero()),
                ("taxes", models.JSONField(default=list)),
                ("tax", cents_from_zero()),
                ("total", cents_from_zero()),
                ("off_due", cents_from_zero()),
                ("given_back", cents_from_zero()),
                (
                    "settlement",
                    models.CharField(
                        max_length=16,
                        blank=True,
                        default="",
                        choices=[("refund", "Refunded"), ("balance", "Kept as credit"), ("outside", "Settled outside")],
                    ),
                ),
                ("seller", models.JSONField(default=dict)),
                ("buyer", models.JSONField(default=dict)),
                ("issued_at", models.DateTimeField()),
                ("issued_by", models.CharField(max_length=300)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [models.CheckConstraint(condition=models.Q(total__gt=0), name="a_credit_note_is_above_zero")],
            },
        ),
        migrations.CreateModel(
            "CreditNoteLine",
            [
                ("id", big_id()),
                ("credit_note", belongs_to("metering.creditnote", related_name="lines")),
                ("invoice_line", belongs_to("metering.invoiceline", related_name="credited")),
                ("position", models.IntegerField()),
                ("description", models.TextField()),
                ("amount", cents_from_zero()),
            ],
            options={
                "ordering": ["credit_note", "position"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["credit_note", "invoice_line"], name="one_line_per_credit_note_and_invoice_line"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            "IssuedPdf",
            [
                ("id", big_id()),
                ("invoice", belongs_to("metering.invoice", null=True, related_name="pdfs")),
                ("credit_note", belongs_to("metering.creditnote", null=True, related_name="pdfs")),
                ("state", models.CharField(max_length=16)),
                ("pdf", models.BinaryField()),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(credit_note__isnull=True, invoice__isnull=False)
                        | models.Q(credit_note__isnull=False, invoice__isnull=True),
                        name="a_pdf_shows_one_document",
                    ),
                    models.UniqueConstraint(fields=["invoice", "state"], name="one_pdf_per_invoice_and_state"),
                    models.UniqueConstraint(fields=["credit_note"], name="one_pdf_per_credit_note"),
                ]
            },
        ),
    ]
