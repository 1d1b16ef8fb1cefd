"""Amounts on a command line."""

from decimal import Decimal

from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.fields import PLAIN_DECIMAL


def usd(text: str, name: str) -> Decimal:
    """Raises InvalidParameter."""
    if PLAIN_DECIMAL.fullmatch(text) is None:
        raise InvalidParameter(f"{name} is an amount in USD, such as 100.00, not {text[:40]!r}.", param=name)
    return Decimal(text)
