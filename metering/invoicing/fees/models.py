"""What is agreed with a workspace beside usage: fees that recur every month, and lines that are billed once."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from workspaces.ids import new_id
from workspaces.models import Workspace


def fee_id() -> str:
    return new_id("fee")


def manual_line_id() -> str:
    return new_id("item")


class RecurringFee(models.Model):
    """A fee by its name, such as "Platform fee" or "Seats". What it costs is in its agreements; it is never removed."""

    public_id = models.CharField(max_length=32, unique=True, default=fee_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="fees")
    # As invoices print it.
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["workspace", "name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="one_fee_per_workspace_and_name"),
        ]

    def __str__(self) -> str:
        return self.name


class AgreedFee(models.Model):
    """What a fee costs from a day on, until the day it ends or the next agreement begins; after its end there is none."""

    fee = models.ForeignKey(RecurringFee, on_delete=models.PROTECT, related_name="agreed")
    # First instants of days, in UTC; null: it does not end.
    effective_from = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    # For a whole month, of one seat where there are seats.
    monthly = models.DecimalField(max_digits=20, decimal_places=2, validators=[MinValueValidator(Decimal("0.00"))])
    # null: it does not depend on seats.
    seats = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["fee", "effective_from"]
        constraints = [
            models.UniqueConstraint(fields=["fee", "effective_from"], name="one_agreement_per_fee_and_day"),
            models.CheckConstraint(condition=Q(monthly__gte=0), name="a_fee_is_not_below_zero"),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("effective_from")), name="a_fee_ends_after_it_begins"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.monthly} a month from {self.effective_from:%Y-%m-%d} on"


class ManualLine(models.Model):
    """Something to bill once as its month's, or below zero to give back. It never changes: the opposite line undoes it."""

    public_id = models.CharField(max_length=32, unique=True, default=manual_line_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="manual_lines")
    # The first instant of a month.
    month = models.DateTimeField()
    # As invoices print it.
    text = models.CharField(max_length=300)
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["workspace", "month", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="a_manual_line_comes_to_something"),
        ]

    def __str__(self) -> str:
        return self.text
