"""The journal: every movement of money or of a promise of it, once and for ever. The database refuses anything else."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from metering.journal.accounts import CHART, AccountRule, JournalAccount
from workspaces.ids import new_id
from workspaces.models import Workspace

ACCOUNTS = [(account.value, rule.label) for account, rule in CHART.items()]
NOT_BELOW_ZERO = [account.value for account, rule in CHART.items() if rule.bounded and rule.is_debit]
NOT_ABOVE_ZERO = [account.value for account, rule in CHART.items() if rule.bounded and not rule.is_debit]


def journal_entry_id() -> str:
    return new_id("jrn")


class JournalEntry(models.Model):
    """One act: two or more amounts that add up to nothing in each currency."""

    class Kind(models.TextChoices):
        INVOICE_FINALIZED = "invoice_finalized", "Invoice finalized"
        INVOICE_VOIDED = "invoice_voided", "Invoice voided"
        WRITE_OFF = "write_off", "Written off"
        WRITE_OFF_REVERSED = "write_off_reversed", "Write-off reversed"
        CREDIT_NOTE = "credit_note", "Credit note"
        CREDIT_NOTE_SETTLED = "credit_note_settled", "Credit note settled outside"
        CREDIT_GRANTED = "credit_granted", "Credit granted"
        CREDIT_USED = "credit_used", "Credit used"
        CREDIT_RETURNED = "credit_returned", "Credit returned"
        CREDIT_REVERSED = "credit_reversed", "Credit withdrawn"
        CREDIT_EXPIRED = "credit_expired", "Credit expired"
        PAYMENT_RECEIVED = "payment_received", "Payment received"
        SURPLUS_ASSIGNED = "surplus_assigned", "Surplus assigned"
        REFUND_BEGUN = "refund_begun", "Refund begun"
        REFUND_MADE = "refund_made", "Refund made"
        REFUND_FAILED = "refund_failed", "Refund failed"
        DISPUTE_OPENED = "dispute_opened", "Dispute opened"
        DISPUTE_WON = "dispute_won", "Dispute won"
        DISPUTE_LOST = "dispute_lost", "Dispute lost"
        PROVIDER_FEE = "provider_fee", "Fee of the payment provider"
        PAYOUT = "payout", "Payout"
        TRANSFER = "transfer", "Transfer of credit"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=journal_entry_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="journal_entries", db_index=False)
    kind = models.CharField(max_length=32, choices=Kind.choices)
    # What makes it post once, such as "invoice_finalized:inv_…".
    key = models.CharField(max_length=300, unique=True)
    # The public id of the document that it is about: its prefix says of which kind.
    document = models.CharField(max_length=255)
    # The day of the act, by which books are kept: a payment's is when the money came.
    happened_at = models.DateTimeField()
    booked_at = models.DateTimeField()
    actor = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "journal entries"
        indexes = [
            models.Index(fields=["happened_at", "id"], name="journal_by_day"),
            models.Index(fields=["workspace", "-id"], name="journal_of_a_workspace"),
            models.Index(fields=["document"], name="journal_of_a_document"),
        ]

    def __str__(self) -> str:
        return self.key


class JournalPosting(models.Model):
    """One amount of an entry, in the currency's smallest unit: above zero a debit, below zero a credit."""

    id = models.BigAutoField(primary_key=True)
    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="postings")
    # The entry's, but for what moves between two.
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+", db_index=False)
    account = models.CharField(max_length=32, choices=ACCOUNTS)
    # Which part of the account: an invoice, a payment, a credit, a tax; empty where it has none.
    part = models.CharField(max_length=255, default="")
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["workspace", "account", "-id"], name="postings_of_an_account")]
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="a_posting_moves_something")]

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.currency}"


class JournalBalance(models.Model):
    """What the postings of a workspace's account add up to, and those of each of its parts. Only a posting writes it."""

    pk = models.CompositePrimaryKey("workspace", "account", "part", "currency")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+", db_index=False)
    account = models.CharField(max_length=32, choices=ACCOUNTS)
    # Empty: the whole account.
    part = models.CharField(max_length=255, default="")
    currency = models.CharField(max_length=3)
    balance = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["part"], condition=Q(account="surplus", balance__lt=0), name="surpluses_that_are_left")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(account__in=NOT_BELOW_ZERO) | Q(balance__gte=0), name="no_claim_falls_below_zero"
            ),
            models.CheckConstraint(
                condition=~Q(account__in=NOT_ABOVE_ZERO) | Q(balance__lte=0), name="no_debt_falls_below_zero"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.balance} {self.currency}"

    @property
    def rule(self) -> AccountRule:
        return CHART[JournalAccount(self.account)]


class LockedPeriod(models.Model):
    """A month whose books are closed: nothing that happened before its end is posted any more."""

    starts_at = models.DateTimeField(unique=True)
    ends_at = models.DateTimeField()
    locked_at = models.DateTimeField(default=timezone.now)
    locked_by = models.CharField(max_length=300)
    # What the month's export was then: how many entries, and the SHA-256 of what they say.
    entries = models.IntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["-starts_at"]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m}"
