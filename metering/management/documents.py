"""The invoice that a command names, and what a command prints of the document that came of it."""

from decimal import Decimal
from typing import Any

from django.db.models import Q

from metering.errors import NotFound
from metering.invoicing.models import Invoice
from metering.money import cents_text
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


def document_json(public_id: str | None, number: str | None, status: str, amount: Decimal, **more: Any) -> dict[str, Any]:
    return {"id": public_id, "number": number, "status": status, "amount": cents_text(amount), **more}
