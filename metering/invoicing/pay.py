"""Marking an invoice as paid by hand, for money that arrived outside the product."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from metering.errors import InvalidParameter, InvoiceNotOpen
from metering.invoicing.models import Invoice
from metering.money import cents_text
from workspaces import audit


def mark_paid(invoice_id: int, reference: str, actor: str, now: datetime) -> Invoice:
    """The open invoice with this primary key, paid in full: nothing is due any more.

    `reference` says where the money is found, such as a bank transfer's. Raises InvoiceNotOpen, InvalidParameter.
    """
    reference = reference.strip()
    if not 0 < len(reference) <= 200:
        raise InvalidParameter("Say where the payment is found, in at most 200 characters.", param="reference")
    with transaction.atomic():
        moved = Invoice.objects.filter(pk=invoice_id, status=Invoice.Status.OPEN).update(
            status=Invoice.Status.PAID,
            paid_at=now,
            payment_reference=reference,
            amount_paid=F("amount_paid") + F("amount_due"),
            amount_due=Decimal("0.00"),
        )
        invoice = Invoice.objects.select_related("workspace").get(pk=invoice_id)
        if not moved:
            raise InvoiceNotOpen(f"The invoice {invoice} is {invoice.status}: only an open one is marked as paid.")
        total = cents_text(invoice.total)
        audit.record(actor, "invoice.paid", invoice.public_id, invoice.workspace, now=now, reference=reference, total=total)
        return invoice
