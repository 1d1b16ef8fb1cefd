"""Invoices. They begin as drafts, and once finalized nothing on them changes but their way to paid, void or uncollectible:
triggers refuse.
"""

from decimal import Decimal
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from metering.catalogue.models import LanguageModel
from metering.components import LONGEST_NAME
from metering.periods import Period
from workspaces.ids import new_id
from workspaces.models import Workspace


def invoice_id() -> str:
    return new_id("inv")


def line_id() -> str:
    return new_id("line")


def cents_field(**extra: object) -> models.DecimalField:
    """A rounded amount, in the invoice's currency."""
    return models.DecimalField(max_digits=20, decimal_places=2, default=Decimal("0.00"), **extra)  # type: ignore[arg-type]


# Of drafts that wait for a person.
ON_HOLD = Q(status="draft") & ~Q(holds=[])


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def finalized(self) -> Self:
        """Those that bill their month: numbered, and not void."""
        return self.filter(status__in=Invoice.FINALIZED)

    def owed(self) -> Self:
        """Those on which money that arrives is entered, uncollectible ones too."""
        return self.filter(status__in=Invoice.OWED)

    def drafts(self) -> Self:
        return self.filter(status=Invoice.Status.DRAFT)

    def open(self) -> Self:
        """Those that are collected."""
        return self.filter(status=Invoice.Status.OPEN)

    def on_hold(self) -> Self:
        return self.filter(ON_HOLD)

    def current(self) -> Self:
        """Those that are not void: at most one for each workspace and month."""
        return self.exclude(status=Invoice.Status.VOID)

    def waiting_for_reissue(self) -> Self:
        """Void ones that nobody reissued, of months without another: what they billed waits for a person."""
        of_month = Invoice.objects.current().filter(workspace=OuterRef("workspace"), period_start=OuterRef("period_start"))
        return self.filter(~Exists(of_month), status=Invoice.Status.VOID, reissued_at=None)

    def with_line_count(self) -> Self:
        """The invoices with `line_count`, by one look into an index for each: lines are numbered from 0 without gaps."""
        last = InvoiceLine.objects.filter(invoice=OuterRef("pk")).order_by("-position").values("position")[:1]
        return self.annotate(line_count=Coalesce(Subquery(last), -1) + 1)


class Invoice(models.Model):
    """What a workspace owes for one calendar month in UTC, [period_start, period_end)."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        OPEN = "open", "Open"
        PAID = "paid", "Paid"
        VOID = "void", "Void"
        UNCOLLECTIBLE = "uncollectible", "Uncollectible"

    class Hold(models.TextChoices):
        """Why a draft waits for a person."""

        IMPLAUSIBLE = "implausible", "Implausibly large"
        UNEXPLAINED = "unexplained", "Takes back what nothing explains"
        EVENTS = "events", "Events of its month are not billed yet"

    # How many lines it has, where `with_line_count` or the writing of them says so.
    line_count: int | None = None

    OWED = (Status.OPEN, Status.UNCOLLECTIBLE)
    FINALIZED = (*OWED, Status.PAID)

    public_id = models.CharField(max_length=32, unique=True, default=invoice_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="invoices")
    # Given at finalization, gapless within the issuer and year; null on a draft.
    number = models.CharField(max_length=32, unique=True, null=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.DRAFT)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    currency = models.CharField(max_length=3, default="USD")
    subtotal_exact = models.DecimalField(max_digits=38, decimal_places=12, default=Decimal(0))
    # The lines' exact sum rounded once; the discount and the minimum are lines.
    subtotal = cents_field()
    # Promotional credits, which lower what is taxed.
    promotional = cents_field()
    # [{"name", "percent", "amount"}]: each on subtotal less promotional, rounded half up; `tax` is their sum.
    taxes = models.JSONField(default=list)
    tax = cents_field()
    # Subtotal less promotional, plus tax.
    total = cents_field()
    # Purchased and goodwill credits, applied as payments are.
    credits_applied = cents_field()
    amount_paid = cents_field()
    # Taken off what was due by credit notes.
    credited = cents_field()
    # What of the money and the credit that paid it was taken back, by a bank or at Stripe: owed again.
    charged_back = cents_field()
    # Total less credits applied, paid and credited, and what was charged back.
    amount_due = cents_field()
    # What the page prints of seller and buyer, copied at finalization: {name, address, tax_id, email}.
    seller = models.JSONField(default=dict)
    buyer = models.JSONField(default=dict)
    # By month that it bills, the terms it was made by and what of its taxes is for it, for later adjustments of that month.
    terms = models.JSONField(default=dict)
    # What it must or may say: {"tax_note", "purchase_order"}.
    notes = models.JSONField(default=dict)
    # For the operator: what a person should know before the invoice goes out, such as unpriced events of its month.
    warnings = models.JSONField(default=list)
    # Why a draft waits for a person, and the same as sentences; empty: it does not.
    holds = ArrayField(models.CharField(max_length=16, choices=Hold.choices), default=list)
    held = models.TextField(default="")
    created_at = models.DateTimeField(default=timezone.now)
    finalized_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)
    payment_reference = models.CharField(max_length=200, blank=True, default="")
    voided_at = models.DateTimeField(null=True)
    # When a person had a void invoice's month billed again; until then what it billed of that month waits for it.
    reissued_at = models.DateTimeField(null=True)
    # Why it was voided, or marked as uncollectible.
    status_reason = models.CharField(max_length=300, default="")

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        ordering = ["-period_start", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "period_start"],
                condition=~Q(status="void"),
                name="one_invoice_per_workspace_and_month",
            ),
            models.CheckConstraint(
                condition=Q(status="draft", number__isnull=True) | ~Q(status="draft") & Q(number__isnull=False),
                name="numbered_exactly_when_finalized",
            ),
            models.CheckConstraint(
                condition=Q(total=F("subtotal") - F("promotional") + F("tax")),
                name="total_is_subtotal_less_promotional_plus_tax",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount_due=F("total") - F("credits_applied") - F("amount_paid") - F("credited") + F("charged_back")
                ),
                name="due_is_what_was_not_paid_or_credited",
            ),
            models.CheckConstraint(condition=Q(charged_back__gte=0), name="charged_back_is_not_below_zero"),
            models.CheckConstraint(
                condition=~Q(status="paid") | Q(amount_due=0),
                name="nothing_is_due_on_a_paid_invoice",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["draft", "void"]) | Q(amount_paid=0, credited=0),
                name="a_draft_or_void_invoice_is_neither_paid_nor_credited",
            ),
        ]

    def __str__(self) -> str:
        return self.number or f"draft {self.public_id}"

    @property
    def period(self) -> Period:
        return Period(self.period_start, self.period_end)

    @property
    def is_on_hold(self) -> bool:
        return bool(self.holds)

    @property
    def still_due(self) -> Decimal:
        """What is to be paid: nothing on a void invoice, whatever it says."""
        return Decimal("0.00") if self.status == self.Status.VOID else self.amount_due


class InvoiceLine(models.Model):
    """One line: a self-contained copy of what it prints, with its exact amount beside the displayed one."""

    class Kind(models.TextChoices):
        USAGE = "usage", "Usage"
        ADJUSTMENT = "adjustment", "Adjustment"
        DISCOUNT = "discount", "Discount"
        MINIMUM = "minimum", "Minimum commitment"
        FEE = "fee", "Recurring fee"
        MANUAL = "manual", "One-off"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=line_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.IntegerField()
    kind = models.CharField(max_length=16, choices=Kind.choices)
    description = models.TextField()
    # The name as it was printed, and the row it names: a renamed model keeps its lines together.
    model = models.CharField(max_length=300)
    language_model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, null=True, related_name="+")
    service_tier = models.CharField(max_length=64)
    # A component's name; empty where no usage is billed: such lines have quantity 1
    component = models.CharField(max_length=LONGEST_NAME)
    # In the component's smallest unit: tokens, for most
    quantity = models.BigIntegerField()
    # USD per million of them, whatever they are: so every rate has six decimals
    rate_per_million = models.DecimalField(max_digits=16, decimal_places=6)
    amount_exact = models.DecimalField(max_digits=38, decimal_places=12)
    amount = cents_field()
    # The period whose usage it bills: on an adjustment an earlier one than the invoice's.
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    # The public id of the price version, or of the fee or manual line that it bills; empty on a discount and a minimum.
    price = models.CharField(max_length=32)

    class Meta:
        ordering = ["invoice", "position"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="one_line_per_position"),
        ]

    def __str__(self) -> str:
        return self.description
