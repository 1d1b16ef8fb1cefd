"""What went back otherwise than as a refund: kept as credit, or taken back by a bank and owed again."""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from metering.credits.models import CreditGrant
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.payments.models import Dispute, Payment, Refund, money_field
from workspaces.ids import new_id
from workspaces.models import Workspace


class KeptPayment(models.Model):
    """What of a payment a credit note turned into credit, of which `returned` was taken back again."""

    id = models.BigAutoField(primary_key=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="kept_parts")
    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="kept_parts")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="+")
    amount = money_field()
    returned = money_field(default=Decimal("0.00"))

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, returned__gte=0, returned__lte=models.F("amount")),
                name="no_more_is_returned_than_was_kept",
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount} kept as credit"


class ReopenedAmount(models.Model):
    """What of an invoice is owed again because money that paid it, or that bought credit for it, was taken back.

    `lifted` of it is not owed any more: the money came back after all. What came back when it had been `paid_otherwise` is a
    surplus of the payment.
    """

    id = models.BigAutoField(primary_key=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="reopened")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="reopened_parts")
    # Either the dispute or the refund at Stripe.
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, null=True, related_name="reopened")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, related_name="reopened")
    amount = money_field()
    lifted = money_field(default=Decimal("0.00"))
    paid_otherwise = money_field(default=Decimal("0.00"))
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, lifted__gte=0, paid_otherwise__gte=0)
                & Q(amount__gte=models.F("lifted") + models.F("paid_otherwise")),
                name="no_more_is_lifted_than_was_owed",
            ),
            models.CheckConstraint(
                condition=Q(dispute__isnull=False, refund__isnull=True) | Q(dispute__isnull=True, refund__isnull=False),
                name="reopened_for_one_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} of {self.invoice}"

    @property
    def rest(self) -> Decimal:
        """What the money has not come back for."""
        return self.amount - self.lifted - self.paid_otherwise


def payout_id() -> str:
    return new_id("po")


class Payout(models.Model):
    """A transfer to a customer of what was owed to them; once per reference."""

    public_id = models.CharField(max_length=32, unique=True, default=payout_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="payouts")
    amount = money_field()
    currency = models.CharField(max_length=3, default="USD")
    # Where the transfer is found.
    reference = models.CharField(max_length=200)
    # Ids of the refunds and credit notes that it settled.
    settled = models.JSONField(default=list)
    paid_at = models.DateTimeField()
    paid_by = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="a_payout_is_above_zero"),
            models.UniqueConstraint(fields=["workspace", "reference"], name="one_payout_per_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} to {self.workspace}"
