"""What is agreed with a workspace about its invoices: to whom, with which taxes, by when, at what discount."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from metering.invoicing.composing.taxes import tax_label
from workspaces.models import Workspace


class TaxRate(models.Model):
    """A named percentage, such as "VAT Germany" of 19. One in use is not edited: a new one takes its place."""

    name = models.CharField(max_length=100)
    percent = models.DecimalField(max_digits=6, decimal_places=3)

    class Meta:
        ordering = ["name", "percent"]
        constraints = [
            models.CheckConstraint(condition=Q(percent__gte=0, percent__lte=100), name="a_tax_is_a_percentage"),
            models.UniqueConstraint(fields=["name", "percent"], name="one_tax_rate_per_name_and_percentage"),
        ]

    def __str__(self) -> str:
        return tax_label(self.name, self.percent)


class BillingTerms(models.Model):
    """A workspace's terms. A workspace without any has the defaults of this table: `terms_of` gives them."""

    class TaxTreatment(models.TextChoices):
        TAXED = "taxed", "Taxed at its rates"
        EXEMPT = "exempt", "Exempt"
        REVERSE_CHARGE = "reverse_charge", "Reverse charge"

    class Mode(models.TextChoices):
        POSTPAID = "postpaid", "Postpaid"
        PREPAID = "prepaid", "Prepaid"

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="billing_terms")
    # Empty: the workspace's own name and address.
    legal_name = models.CharField(max_length=200, blank=True, default="")
    address = models.TextField(max_length=1000, blank=True, default="")
    tax_id = models.CharField(max_length=60, blank=True, default="")
    recipients = ArrayField(models.EmailField(), default=list, blank=True)
    # The customer's own text, such as a purchase order's number; printed on every invoice.
    purchase_order = models.CharField(max_length=200, blank=True, default="")
    tax_treatment = models.CharField(max_length=16, choices=TaxTreatment.choices, default=TaxTreatment.TAXED)
    tax_rates = models.ManyToManyField(TaxRate, blank=True, related_name="+")
    # What the law wants said where no tax is: empty prints the default of the treatment.
    tax_note = models.CharField(max_length=300, blank=True, default="")
    # Days until an invoice is due; null: the setting's.
    payment_days = models.PositiveSmallIntegerField(null=True, blank=True)
    mode = models.CharField(max_length=16, choices=Mode.choices, default=Mode.POSTPAID)
    # What happens to its live keys while an invoice is past due.
    suspend_when_past_due = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "billing terms"

    def __str__(self) -> str:
        return f"Terms of {self.workspace}"


class AgreedPricing(models.Model):
    """Discount and minimum from a month on, until the next row begins: what is agreed today changes no month before it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="agreed_pricing")
    # The first instant of a month.
    effective_from = models.DateTimeField()
    # Percent off usage at list prices; usage at the workspace's own prices has none.
    discount_percent = models.DecimalField(
        max_digits=5, decimal_places=2, default=Decimal(0), validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    # The least that a month costs; null: none.
    minimum_commitment = models.DecimalField(
        max_digits=20, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(Decimal("0.01"))]
    )

    class Meta:
        ordering = ["workspace", "effective_from"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "effective_from"], name="one_agreement_per_workspace_and_month"),
            models.CheckConstraint(
                condition=Q(discount_percent__gte=0, discount_percent__lte=100), name="an_agreed_discount_is_a_percentage"
            ),
            models.CheckConstraint(
                condition=Q(minimum_commitment__isnull=True) | Q(minimum_commitment__gt=0), name="a_minimum_is_above_zero"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.discount_percent} % and at least {self.minimum_commitment} from {self.effective_from:%Y-%m} on"
