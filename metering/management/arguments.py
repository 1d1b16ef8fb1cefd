"""What commands are given as text: amounts, days, and invoices by their id or number."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

from django.db.models import Q

from metering.errors import NotFound
from metering.invoicing.models import Invoice
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.fields import PLAIN_DECIMAL
from omixa_billing.instants import FIRST_INSTANT, LAST_INSTANT
from workspaces.names import is_storable


def usd(text: str, name: str) -> Decimal:
    """Raises InvalidParameter."""
    if PLAIN_DECIMAL.fullmatch(text) is None:
        raise InvalidParameter(f"{name} is an amount in USD, such as 100.00, not {text[:40]!r}.", param=name)
    return Decimal(text)


def day_in_utc(text: str, name: str) -> datetime:
    """The beginning of the day in UTC. Raises InvalidParameter."""
    try:
        found = datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InvalidParameter(f"{name} is a day, such as 2026-10-15, not {text!r}.", param=name) from None
    if not FIRST_INSTANT <= found < LAST_INSTANT:
        raise InvalidParameter(f"{name} is between the years {FIRST_INSTANT.year} and {LAST_INSTANT.year}.", param=name)
    return found


def invoice_named(text: str) -> Invoice:
    """By its id or its number. Raises NotFound."""
    named = Invoice.objects.select_related("workspace").filter(Q(public_id=text) | Q(number=text))
    invoice = named.first() if is_storable(text) else None
    if invoice is None:
        raise NotFound(f"There is no invoice {text!r}.")
    return invoice
