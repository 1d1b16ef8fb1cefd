"""Exact amounts and the product's one rounding. No float comes near a token, a rate or an amount.

An exact amount is a Decimal in USD with at most twelve places: a rate has six decimals per million tokens, so every cost is
a whole number of 1e-12 USD (a pico-dollar). Rounding to cents happens once, on the invoice.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal

PICO_PLACES = 12
ONE_CENT = Decimal("0.01")
ONE_PICO = Decimal("0.000000000001")
ONE_MICRO = Decimal("0.000001")
# Wide enough for any sum the tables can hold: nothing is ever rounded by the context.
WIDE = Context(prec=60)
BEYOND_AMOUNTS = Decimal(10) ** 12
# How many places a currency has after its point, where they are not two (ISO 4217).
NO_PLACES = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
THREE_PLACES = "BHD IQD JOD KWD LYD OMR TND"
PLACES = {**dict.fromkeys(NO_PLACES.split(), 0), **dict.fromkeys(THREE_PLACES.split(), 3)}


def from_pico(pico: int) -> Decimal:
    """Pico-dollars as USD, exact."""
    return Decimal(pico).scaleb(-PICO_PLACES, WIDE)


def exact_text(amount: Decimal) -> str:
    """An exact amount as the API prints it: `"0.002649000000"`."""
    return format(amount.quantize(ONE_PICO, context=WIDE), "f")


def fractional_cents_text(amount: Decimal) -> str:
    """An exact amount in cents, for clients that count in the smallest unit of a currency: `"0.2649000000"`."""
    return format(amount.quantize(ONE_PICO, context=WIDE).scaleb(2, WIDE), "f")


def cents_text(amount: Decimal) -> str:
    """A rounded amount as the API prints it: `"12.34"`."""
    return format(amount.quantize(ONE_CENT, context=WIDE), "f")


def plain_text(amount: Decimal) -> str:
    """An amount that people choose, such as a limit: `"12.40"` for whole cents, and exact where it has more digits."""
    cents = amount.quantize(ONE_CENT, context=WIDE)
    return format(cents, "f") if cents == amount else exact_text(amount)


def rate_text(rate: Decimal | None) -> str | None:
    """A rate in USD per million tokens as the API prints it: `"1.500000"`."""
    return None if rate is None else format(rate.quantize(ONE_MICRO, context=WIDE), "f")


def round_to_cents(amount: Decimal) -> Decimal:
    """Half up, away from zero: 0.005 is 0.01 and -0.005 is -0.01."""
    return amount.quantize(ONE_CENT, rounding=ROUND_HALF_UP, context=WIDE)


def is_whole_cents(amount: Decimal) -> bool:
    """Whether a person can mean it as an amount of money: a number, without fractions of a cent, that the tables can hold."""
    return amount.is_finite() and abs(amount) < BEYOND_AMOUNTS and amount == amount.quantize(ONE_CENT, context=WIDE)


def places_of_currency(currency: str) -> int:
    """How many places after the point an amount in this currency has: 0 for JPY, 2 for USD, 3 for KWD."""
    return PLACES.get(currency, 2)


def in_smallest_unit(amount: Decimal, currency: str) -> int:
    """12.34 USD is 1234, and 12 JPY is 12. Raises ValueError where the currency has no coin that small."""
    units = amount.scaleb(places_of_currency(currency), WIDE)
    if units != units.to_integral_value():
        raise ValueError(f"{amount:f} {currency} is not a whole number of the smallest unit of {currency}.")
    return int(units)


def from_smallest_unit(units: int, currency: str) -> Decimal:
    """1234 of USD is 12.34, with every place of the currency."""
    return Decimal(units).scaleb(-places_of_currency(currency), WIDE)


def currency_text(units: int, currency: str) -> str:
    """So many of the smallest unit as the API prints them: `"12.34"` of USD, `"12"` of JPY."""
    return format(from_smallest_unit(units, currency), "f")


def share_out(total: Decimal, amounts: Sequence[Decimal]) -> list[Decimal]:
    """`amounts` in whole cents that add up to `total`, by largest remainder; earlier ones win a tie.

    `total` is the rounded exact sum of `amounts`, so each share is its amount rounded down or up to the next cent.
    """
    shares = [amount.quantize(ONE_CENT, rounding=ROUND_FLOOR, context=WIDE) for amount in amounts]
    missing = int((total - sum(shares, Decimal(0))) / ONE_CENT)
    by_remainder = sorted(range(len(shares)), key=lambda at: shares[at] - amounts[at])
    for at in by_remainder[:missing]:
        shares[at] += ONE_CENT
    return shares
