"""Taxes on an invoice: each named rate on the taxable amount, rounded half up to cents; the tax is their sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from metering.invoicing.terms_models import TaxRate
from metering.money import WIDE, round_to_cents


@dataclass(frozen=True, slots=True)
class Tax:
    """One rate's share: percent, and whole cents."""

    name: str
    percent: Decimal
    amount: Decimal

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "percent": f"{self.percent.normalize():f}", "amount": f"{self.amount:.2f}"}


def taxes_on(taxable: Decimal, rates: Sequence[TaxRate]) -> list[Tax]:
    """`taxable` is in whole cents. A total below zero, which only a preview has, is not taxed."""
    base = max(Decimal("0.00"), taxable)
    return [
        Tax(rate.name, rate.percent, round_to_cents(WIDE.multiply(base, rate.percent).scaleb(-2, WIDE)) + Decimal("0.00"))
        for rate in rates
    ]
