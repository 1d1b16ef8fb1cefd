"""Documents as they were issued: the first PDF of an invoice is kept, and each later download is that one.

A new logo, paper, font or release of the typesetter changes what is issued from then on, never what was; and what is paid is
shown on the invoice's page, not on its paper. Only a void invoice gets another one, that says so.
"""

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.documents.models import IssuedPdf
from metering.invoicing.documents.pdf import credit_note_pdf, invoice_pdf
from metering.invoicing.models import Invoice

ISSUED, VOID = "issued", "void"


def issued_invoice(invoice: Invoice) -> bytes:
    """The invoice's PDF; a draft's is made again each time. Raises ImproperlyConfigured."""
    if invoice.status == Invoice.Status.DRAFT:
        return invoice_pdf(invoice)
    state = VOID if invoice.status == Invoice.Status.VOID else ISSUED
    return _kept(lambda: invoice_pdf(invoice), invoice=invoice, state=state)


def issued_credit_note(note: CreditNote) -> bytes:
    """Raises ImproperlyConfigured."""
    return _kept(lambda: credit_note_pdf(note), credit_note=note, state=ISSUED)


def _kept(make: Callable[[], bytes], **of: Any) -> bytes:
    """The kept PDF, or a new one. If two make it at once, the first one's stands for both."""
    kept = IssuedPdf.objects.filter(**of).values_list("pdf", flat=True)
    found = kept.first()
    if found is None:
        IssuedPdf.objects.bulk_create([IssuedPdf(pdf=make(), made_at=timezone.now(), **of)], ignore_conflicts=True)
        found = kept.get()
    return bytes(found)
