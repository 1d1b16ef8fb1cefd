"""Taking a write-off back: an invoice that was marked as uncollectible is collected again."""

from datetime import datetime

from django.db import transaction

from metering.checked_inputs import checked_reason
from metering.invoicing.allowed import check_reverse_write_off
from metering.invoicing.booked import write_off_reversed
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.journal.post import post
from metering.money import cents_text
from workspaces import audit


def reverse_write_off(invoice_id: int, reason: str, actor: str, now: datetime) -> Invoice:
    """The uncollectible invoice with this primary key, open again. Raises InvoiceNotOpen and InvalidParameter."""
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        check_reverse_write_off(invoice)
        post(write_off_reversed(invoice, invoice.amount_due, f"{now.timestamp()}", actor, now), now)
        invoice.status, invoice.status_reason = Invoice.Status.OPEN, ""
        invoice.save(update_fields=["status", "status_reason"])
        due = cents_text(invoice.amount_due)
        audit.record(
            actor, "invoice.write_off_reversed", invoice.public_id, invoice.workspace, now=now, reason=reason, amount_due=due
        )
        return invoice
