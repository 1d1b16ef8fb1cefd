"""Notifying programs of what becomes of an invoice, in the transaction in which it does: as the API shows it then."""

from datetime import datetime

from metering.invoicing.as_json import invoice_json
from metering.invoicing.models import Invoice
from metering.notifications.announce import announce


def announce_invoice(invoice: Invoice, type: str, now: datetime) -> None:
    """Each type once for each invoice."""
    announce(invoice.workspace, type, f"{type}:{invoice.public_id}", invoice_json(invoice), now)
