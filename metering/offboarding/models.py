"""What closing a workspace came to, written once and for ever."""

from decimal import Decimal

from django.db import models

from metering.payments.models import money_field
from workspaces.models import Workspace


class ClosedWorkspace(models.Model):
    """`refunded`, `owed` and `expired` are what became of bought credit, `given_expired` of promotional and goodwill credit."""

    class Credit(models.TextChoices):
        """What becomes of bought credit that is left."""

        REFUND = "refund", "Refunded, or else owed to the customer"
        EXPIRE = "expire", "Expired"

    workspace = models.OneToOneField(Workspace, on_delete=models.PROTECT, primary_key=True, related_name="closing")
    reason = models.CharField(max_length=300)
    credit = models.CharField(max_length=16, choices=Credit.choices)
    # Public ids of the invoices that it finalized, oldest month first.
    invoices = models.JSONField(default=list)
    keys_revoked = models.IntegerField(default=0)
    refunded = money_field(default=Decimal("0.00"))
    owed = money_field(default=Decimal("0.00"))
    expired = money_field(default=Decimal("0.00"))
    given_expired = money_field(default=Decimal("0.00"))
    # What no invoice bills because it is less than is issued, or waits to be given back where it is below zero.
    not_billed = money_field(default=Decimal("0.00"))
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=300)

    class Meta:
        ordering = ["-closed_at"]

    def __str__(self) -> str:
        return f"{self.workspace}, closed {self.closed_at:%Y-%m-%d}"
