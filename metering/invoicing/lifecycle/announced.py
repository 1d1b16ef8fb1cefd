"""Notifying programs of what becomes of an invoice, in the transaction in which it does: as the API lists it then."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import prefetch_related_objects

from metering.invoicing.as_json import invoice_summary_json
from metering.invoicing.models import Invoice
from metering.notifications.announce import News, announce_all


def announce_invoice(invoice: Invoice, type: str, now: datetime) -> None:
    """Each type once for each invoice."""
    announce_invoices([(invoice, type)], now)


def announce_invoices(news: Iterable[tuple[Invoice, str]], now: datetime) -> None:
    found = list(news)
    prefetch_related_objects([invoice for invoice, _ in found], "credit_notes")
    announce_all(
        [News(each.workspace, type, f"{type}:{each.public_id}", invoice_summary_json(each)) for each, type in found], now
    )
