"""Credits: what was granted, and the append-only ledger of what became of it. The database refuses changes."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from workspaces.ids import new_id
from workspaces.models import Workspace


def grant_id() -> str:
    return new_id("cred")


def entry_id() -> str:
    return new_id("centry")


def transfer_id() -> str:
    return new_id("xfer")


class CreditGrant(models.Model):
    """Credit given to a workspace. What is left of it is the sum of its entries, never a stored balance."""

    class Kind(models.TextChoices):
        PROMOTIONAL = "promotional", "Promotional"
        PURCHASED = "purchased", "Purchased"
        GOODWILL = "goodwill", "Goodwill"

    public_id = models.CharField(max_length=32, unique=True, default=grant_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="credit_grants")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    currency = models.CharField(max_length=3, default="USD")
    # Lower goes first among credits of one kind and one expiry.
    priority = models.SmallIntegerField(default=100)
    # Usable for the months in which it was valid for a time; null: for ever.
    expires_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=300, default="")
    # What it came from, such as "topup:top_…" or a caller's Idempotency-Key: one grant per source.
    source = models.CharField(max_length=300, null=True)
    granted_at = models.DateTimeField(default=timezone.now)
    granted_by = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="a_grant_is_above_zero"),
            models.UniqueConstraint(fields=["workspace", "source"], name="one_grant_per_source"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} credit of {self.amount} {self.currency}"

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def end_in(self, workspace: Workspace) -> datetime | None:
        """When it ends in its workspace: what was given ends at the closing, what was bought stays its customer's."""
        if workspace.closed_at is None or self.kind == CreditGrant.Kind.PURCHASED:
            return self.expires_at
        return min(workspace.closed_at, self.expires_at or workspace.closed_at)


class CreditEntry(models.Model):
    """One movement of a grant: `amount` is above zero where credit comes, below where it goes."""

    class Kind(models.TextChoices):
        GRANT = "grant", "Grant"
        CONSUMPTION = "consumption", "Consumption"
        EXPIRY = "expiry", "Expiry"
        REVERSAL = "reversal", "Reversal"
        TRANSFER = "transfer", "Transfer"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=entry_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    # The invoice that it paid for, or whose voiding gave it back.
    invoice = models.ForeignKey("metering.Invoice", on_delete=models.PROTECT, null=True, related_name="credit_entries")
    # Why, where a person decided: "granted by mistake", "the payment was refunded".
    reason = models.CharField(max_length=300, default="")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["workspace", "-id"], name="credit_entries_of_a_workspace")]
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="a_credit_entry_moves_something"),
            models.UniqueConstraint(
                fields=["grant", "invoice", "kind"],
                condition=Q(invoice__isnull=False),
                name="one_credit_entry_per_grant_invoice_and_kind",
            ),
            models.UniqueConstraint(fields=["grant"], condition=Q(kind="grant"), name="granted_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"


class CreditTransfer(models.Model):
    """Credit that moved from one workspace to another of the same payer; once per reference."""

    public_id = models.CharField(max_length=32, unique=True, default=transfer_id, editable=False)
    from_workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="credit_transfers_out")
    to_workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="credit_transfers_in")
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    currency = models.CharField(max_length=3, default="USD")
    reference = models.CharField(max_length=200)
    reason = models.CharField(max_length=300, default="")
    # Why both are one payer: what their billing profiles have in common, or an operator's words.
    one_payer = models.CharField(max_length=300)
    # Of credit that goes back to the grant it came from, and returns: what it had become, and the dispute or refund, by its id.
    recalled = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, null=True, related_name="+")
    cause = models.CharField(max_length=255, default="")
    at = models.DateTimeField()
    by = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="a_transfer_is_above_zero"),
            models.CheckConstraint(
                condition=~Q(from_workspace=models.F("to_workspace")), name="a_transfer_is_between_two_workspaces"
            ),
            models.UniqueConstraint(fields=["from_workspace", "reference"], name="one_transfer_per_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} from {self.from_workspace} to {self.to_workspace}"
