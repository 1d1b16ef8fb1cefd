"""Taxes on an invoice: each named rate on what is taxed by it, rounded half up to cents; the tax is their sum.

What is taken back of an earlier month is taxed as that month was billed, so that its tax goes back as well, and never more
of it than was charged for that month.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class MonthPart:
    """What an invoice bills of a month, in whole cents, how it is taxed, and the promotional credit that goes off it."""

    month: datetime
    amount: Decimal
    rates: tuple[TaxShare, ...]
    promotional: Decimal = NOTHING

    @property
    def taxable(self) -> Decimal:
        return self.amount - self.promotional


# Of a month and a rate: what was taxed, and the tax.
Charged = Callable[[datetime, TaxShare], tuple[Decimal, Decimal]]


def rates_from(kept: Iterable[Mapping[str, Any]]) -> tuple[TaxShare, ...]:
    """The rates as an invoice keeps them."""
    return tuple(TaxShare(each["name"], Decimal(each["percent"])) for each in kept)


def taxed(parts: Sequence[MonthPart], charged: Charged) -> tuple[list[Tax], dict[datetime, list[Tax]]]:
    """The taxes on the parts of a subtotal, the invoice's own month first; and the same by month.

    A subtotal below zero, which only a preview has, is not taxed. Months taxed like the invoice's own are one sum with it:
    what they take back lowers what is taxed now. Beyond that, and of other months, no more is taken back than was taxed for it:
    nothing of a tax where a line gives back what was not taxed by it.
    """
    untaxed = sum((part.amount for part in parts), NOTHING) < 0
    own = parts[0].rates if parts else ()
    taxes, months = [], {part.month: list[Tax]() for part in parts}
    for rate in dict.fromkeys(rate for part in parts for rate in part.rates):
        of_rate = [part for part in parts if rate in part.rates]
        bases = {part.month: base_of(part, rate, own, charged) for part in of_rate}
        if sum(bases.values(), NOTHING) < 0:
            bases = {part.month: base_of(part, rate, (), charged) for part in of_rate}
            if sum(bases.values(), NOTHING) > 0:  # together they give back: at most nothing is taxed
                bases = dict.fromkeys(bases, NOTHING)
        if untaxed:
            bases = dict.fromkeys(bases, NOTHING)
        tax = tax_on(sum(bases.values(), NOTHING), rate)
        if tax.amount < 0:
            back = sum((charged(part.month, rate)[1] for part in of_rate if bases[part.month] < 0), NOTHING)
            tax = replace(tax, amount=max(tax.amount, -max(back, NOTHING)))
        if rate in own or tax.taxable or tax.amount:
            taxes.append(tax)
            for month, share in by_month(tax, bases).items():
                months[month].append(share)
    return taxes, months


def base_of(part: MonthPart, rate: TaxShare, own: tuple[TaxShare, ...], charged: Charged) -> Decimal:
    if part.taxable >= 0 or part.rates == own:
        return part.taxable
    return max(part.taxable, -max(charged(part.month, rate)[0], NOTHING)) + NOTHING


def by_month(tax: Tax, bases: Mapping[datetime, Decimal]) -> dict[datetime, Tax]:
    """A tax over the months it is on; cents that rounding leaves over go to the first."""
    exact = [WIDE.multiply(base, tax.percent).scaleb(-2, WIDE) for base in bases.values()]
    shares = share_out(round_to_cents(sum(exact, NOTHING)), exact)
    shares[0] += tax.amount - sum(shares, NOTHING)
    shared = zip(bases.items(), shares, strict=True)
    return {month: Tax(tax.name, tax.percent, base, share + NOTHING) for (month, base), share in shared}


def tax_on(taxable: Decimal, rate: TaxShare) -> Tax:
    amount = round_to_cents(WIDE.multiply(taxable, rate.percent).scaleb(-2, WIDE)) + NOTHING
    return Tax(rate.name, rate.percent, taxable, amount)


def lowered(parts: Sequence[MonthPart], by: Decimal) -> list[MonthPart]:
    """The parts less whole cents of promotional credit that add up to `by`, taken in proportion to what is above zero."""
    above = [max(part.amount, NOTHING) for part in parts]
    whole = sum(above, NOTHING)
    if not by or not whole:
        return list(parts)
    shares = share_out(by, [WIDE.divide(WIDE.multiply(by, amount), whole) for amount in above])
    return [replace(part, promotional=share) for part, share in zip(parts, shares, strict=True)]
