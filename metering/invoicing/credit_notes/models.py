"""Credit notes: what is taken back of a finalized invoice. Once issued nothing on them changes: a trigger refuses."""

from django.db import models
from django.db.models import Q

from metering.components import LONGEST_NAME
from metering.invoicing.models import Invoice, InvoiceLine, cents_field
from workspaces.ids import new_id


def credit_note_id() -> str:
    return new_id("cn")


class CreditNote(models.Model):
    """A numbered document that lowers an invoice by some of its lines, or by all that is left of it."""

    class Settlement(models.TextChoices):
        REFUND = "refund", "Refunded"
        BALANCE = "balance", "Kept as credit"
        OUTSIDE = "outside", "Settled outside"

    public_id = models.CharField(max_length=32, unique=True, default=credit_note_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    number = models.CharField(max_length=32, unique=True)
    reason = models.CharField(max_length=300)
    # By which it is found elsewhere, such as the transfer's that gives the money back; empty where nobody gave one.
    reference = models.CharField(max_length=200, blank=True, default="")
    currency = models.CharField(max_length=3, default="USD")
    subtotal = cents_field()
    # [{"name", "percent", "amount"}], in the invoice's order.
    taxes = models.JSONField(default=list)
    tax = cents_field()
    total = cents_field()
    # Of the total: taken off what was due, and what the customer gets back.
    off_due = cents_field()
    given_back = cents_field()
    # How the second part reaches the customer.
    settlement = models.CharField(max_length=16, choices=Settlement.choices, blank=True, default="")
    seller = models.JSONField(default=dict)
    buyer = models.JSONField(default=dict)
    issued_at = models.DateTimeField()
    issued_by = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(total__gt=0), name="a_credit_note_is_above_zero"),
            models.UniqueConstraint(
                fields=["invoice", "reference"],
                condition=~Q(reference=""),
                name="one_credit_note_per_invoice_and_reference",
            ),
        ]

    def __str__(self) -> str:
        return self.number


class CreditNoteLine(models.Model):
    """What is taken back of one line, in whole cents before tax."""

    id = models.BigAutoField(primary_key=True)
    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines")
    invoice_line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="credited")
    position = models.IntegerField()
    description = models.TextField()
    amount = cents_field()

    class Meta:
        ordering = ["credit_note", "position"]
        constraints = [
            models.UniqueConstraint(fields=["credit_note", "invoice_line"], name="one_line_per_credit_note_and_invoice_line"),
        ]

    def __str__(self) -> str:
        return self.description


class SettledAdjustment(models.Model):
    """A correction of a month that a credit note gave back: what a later invoice would have taken back counts as billed.

    As a line of an invoice, with tokens and exact USD below zero where something was given back.
    """

    id = models.BigAutoField(primary_key=True)
    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="settled_adjustments")
    month = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=InvoiceLine.Kind.choices)
    language_model = models.ForeignKey("metering.LanguageModel", on_delete=models.PROTECT, null=True, related_name="+")
    service_tier = models.CharField(max_length=64)
    # The price version's public id.
    price = models.CharField(max_length=32)
    component = models.CharField(max_length=LONGEST_NAME)
    # tokens
    quantity = models.BigIntegerField()
    amount_exact = models.DecimalField(max_digits=38, decimal_places=12)

    class Meta:
        indexes = [models.Index(fields=["credit_note"], name="settled_by_credit_note")]

    def __str__(self) -> str:
        return f"{self.quantity} {self.component} of {self.month:%Y-%m}"
