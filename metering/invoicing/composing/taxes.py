"""Taxes on an invoice: each named rate on what is taxed by it, rounded half up to cents; the tax is their sum.

What is taken back of an earlier month is taxed as that month was billed, so that its tax goes back as well.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from metering.money import WIDE, round_to_cents, share_out

NOTHING = Decimal("0.00")


class TaxShare(NamedTuple):
    """A tax's name and its percentage."""

    name: str
    percent: Decimal

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "percent": f"{self.percent.normalize():f}"}


def tax_label(name: str, percent: Decimal | str) -> str:
    """What documents call a tax, as in "VAT Germany 19 %". A name that says its percentage itself is not given it twice."""
    stated = f"{Decimal(percent).normalize():f}"
    digits = re.escape(stated).replace(r"\.", "[.,]")
    return name if re.search(rf"(?<![\d.,]){digits}\s?%", name) else f"{name} {stated} %"


@dataclass(frozen=True, slots=True)
class Tax:
    """One rate's share: percent, what is taxed by it and the tax on it, in whole cents."""

    name: str
    percent: Decimal
    taxable: Decimal
    amount: Decimal

    @property
    def rate(self) -> TaxShare:
        return TaxShare(self.name, self.percent)

    def as_json(self) -> dict[str, str]:
        return self.rate.as_json() | {"taxable": f"{self.taxable:.2f}", "amount": f"{self.amount:.2f}"}


def rates_from(kept: Iterable[Mapping[str, Any]]) -> tuple[TaxShare, ...]:
    """As an invoice keeps them."""
    return tuple(TaxShare(each["name"], Decimal(each["percent"])) for each in kept)


def taxed(parts: Sequence[tuple[Decimal, tuple[TaxShare, ...]]], promotional: Decimal = NOTHING) -> list[Tax]:
    """The taxes on parts of a subtotal, each in whole cents with its rates; promotional credit lowers all in proportion.

    A subtotal below zero, which only a preview has, is not taxed.
    """
    bases: dict[TaxShare, Decimal] = {}
    for (_, rates), part in zip(parts, lowered([amount for amount, _ in parts], promotional), strict=True):
        for rate in rates:
            bases[rate] = bases.get(rate, NOTHING) + part
    untaxed = sum((amount for amount, _ in parts), NOTHING) < 0
    return [tax_on(NOTHING if untaxed else base, rate) for rate, base in bases.items()]


def tax_on(taxable: Decimal, rate: TaxShare) -> Tax:
    amount = round_to_cents(WIDE.multiply(taxable, rate.percent).scaleb(-2, WIDE)) + NOTHING
    return Tax(rate.name, rate.percent, taxable, amount)


def lowered(amounts: Sequence[Decimal], by: Decimal) -> list[Decimal]:
    """The amounts less whole cents that add up to `by`, taken in proportion from those above zero."""
    above = [max(amount, NOTHING) for amount in amounts]
    whole = sum(above, NOTHING)
    if not by or not whole:
        return list(amounts)
    shares = share_out(by, [WIDE.divide(WIDE.multiply(by, amount), whole) for amount in above])
    return [amount - share for amount, share in zip(amounts, shares, strict=True)]
