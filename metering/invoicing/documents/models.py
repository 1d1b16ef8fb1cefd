"""PDFs that were given out. A trigger refuses changes."""

from django.db import models
from django.db.models import Q

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice


class IssuedPdf(models.Model):
    """The PDF of an invoice, as it was issued or as it was voided, or of a credit note."""

    id = models.BigAutoField(primary_key=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, null=True, related_name="pdfs")
    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, null=True, related_name="pdfs")
    # "issued", or "void" for an invoice that was voided since.
    state = models.CharField(max_length=16)
    pdf = models.BinaryField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(invoice__isnull=False, credit_note__isnull=True)
                | Q(invoice__isnull=True, credit_note__isnull=False),
                name="a_pdf_shows_one_document",
            ),
            models.UniqueConstraint(fields=["invoice", "state"], name="one_pdf_per_invoice_and_state"),
            models.UniqueConstraint(fields=["credit_note"], name="one_pdf_per_credit_note"),
        ]

    def __str__(self) -> str:
        return f"PDF of {self.invoice or self.credit_note}"
