"""What people and programs state when they move money: an amount, a reference to where it is found, a reason. Each is checked
here and nowhere else.
"""

from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from metering.errors import NothingToCredit
from metering.money import ONE_CENT, is_whole_cents, places_of_currency
from omixa_billing.api.errors import InvalidParameter

LONGEST_REFERENCE = 200
LONGEST_REASON = 300


def checked_amount(
    amount: Decimal, what: str = "amount", *, least: Decimal = ONE_CENT, most: Decimal | None = None, param: str = ""
) -> Decimal:
    """The amount, in whole cents from `least` to `most`. Raises InvalidParameter for `param`, or else for `what`."""
    if not is_whole_cents(amount) or amount < least or (most is not None and amount > most):
        above = " above zero" if least > 0 else ""
        at_most = "" if most is None else f", at most {most}"
        raise InvalidParameter(f"The {what} must be whole cents{above}{at_most}.", param=param or what)
    return amount


def check_fraction(amount: Decimal, currency: str) -> None:
    """Raises InvalidParameter where the currency has no coin that small: 0.50 JPY."""
    if amount != round(amount, places_of_currency(currency)):
        raise InvalidParameter(f"{currency} has no such fraction: {amount}.", param="amount")


def checked_reference(reference: str, what: str) -> str:
    """Without spaces around it; `what` is found by it, such as a transfer. Raises InvalidParameter."""
    reference = reference.strip()
    if not 0 < len(reference) <= LONGEST_REFERENCE:
        raise InvalidParameter(
            f"Give a reference by which the {what} can be found, of at most {LONGEST_REFERENCE} characters.", param="reference"
        )
    return reference


def refuse_repeated_reference(rows: QuerySet[Any], reference: str, what: str) -> None:
    """Raises NothingToCredit where one of these rows has the reference: it is the same act, sent again."""
    if rows.filter(reference=reference).exists():
        raise NothingToCredit(f"A {what} with the reference {reference!r} was recorded before.", param="reference")


def checked_reason(reason: str) -> str:
    """Without spaces around it. Raises InvalidParameter."""
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise InvalidParameter(f"Say why, in at most {LONGEST_REASON} characters.", param="reason")
    return reason
