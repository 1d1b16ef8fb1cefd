"""Notifying programs of what becomes of an invoice, in the transaction in which it does: as the API lists it then."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import prefetch_related_objects

from metering.invoicing.as_json import invoice_summary_json
from metering.invoicing.models import Invoice
from metering.notifications.announce import News, announce_all


def announce_invoice(invoice: Invoice, type: str, now: datetime, occasion: str = "") -> None:
    """Each type once for each invoice, or for each occasion of what may happen to it more than once."""
    announce_invoices([(invoice, type)], now, occasion)


def announce_invoices(news: Iterable[tuple[Invoice, str]], now: datetime, occasion: str = "") -> None:
    found = list(news)
    prefetch_related_objects([invoice for invoice, _ in found], "credit_notes")
    of_one = [(invoice, type, f"{type}:{invoice.public_id}{occasion}") for invoice, type in found]
    announce_all([News(each.workspace, type, key, invoice_summary_json(each)) for each, type, key in of_one], now)
