"""Amounts on a command line."""

from decimal import Decimal, InvalidOperation

from omixa_billing.api.errors import InvalidParameter


def usd(text: str, name: str) -> Decimal:
    """Raises InvalidParameter."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidParameter(f"{name} is an amount in USD, such as 100.00, not {text!r}.", param=name) from None
