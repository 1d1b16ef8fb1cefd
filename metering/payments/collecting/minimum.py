"""What is too little to be charged by card: it is neither collected nor dunned, and says so where a person would pay it."""

from decimal import Decimal

from django.conf import settings
from django.db.models import Q

from metering.errors import AmountTooSmall
from metering.invoicing.models import Invoice, InvoiceQuerySet
from metering.money import cents_text


def is_below_minimum(amount: Decimal) -> bool:
    return 0 < amount < settings.INVOICE_MINIMUM


def enough_due(prefix: str = "") -> Q:
    """Invoices on which an amount that can be charged is due. `prefix` leads to the invoice, such as "invoice__"."""
    return Q(**{f"{prefix}amount_due__gt": 0, f"{prefix}amount_due__gte": settings.INVOICE_MINIMUM})


def collectable_invoices() -> InvoiceQuerySet:
    """Open ones on which enough is due to be charged."""
    return Invoice.objects.open().filter(enough_due())


def refuse_below_minimum(invoice: Invoice) -> None:
    """Raises AmountTooSmall."""
    if is_below_minimum(invoice.amount_due):
        due, least = cents_text(invoice.amount_due), cents_text(settings.INVOICE_MINIMUM)
        raise AmountTooSmall(
            f"{due} USD are due on the invoice {invoice}, and less than {least} USD cannot be charged: "
            "it stays due, and you get no reminder."
        )
