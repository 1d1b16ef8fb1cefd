"""The invoice that a command names."""

from django.db.models import Q

from metering.errors import NotFound
from metering.invoicing.models import Invoice
from workspaces.names import is_storable


def invoice_named(text: str) -> Invoice:
    """By its id or its number. Raises NotFound."""
    found = (
        Invoice.objects.select_related("workspace").filter(Q(public_id=text) | Q(number=text)) if is_storable(text) else None
    )
    invoice = None if found is None else found.first()
    if invoice is None:
        raise NotFound(f"There is no invoice {text!r}.")
    return invoice
