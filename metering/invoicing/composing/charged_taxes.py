"""What was charged of each tax for each month, so that no more of it ever goes back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.invoicing.composing.taxes import TaxShare, rates_from
from metering.money import WIDE, share_out

NOTHING = Decimal("0.00")
NONE = (NOTHING, NOTHING)
Terms = Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class ChargedTaxes:
    """(what it was on, the tax) in whole cents, by month as `2026-10` and rate."""

    sums: dict[tuple[str, TaxShare], tuple[Decimal, Decimal]] = field(default_factory=dict)

    def of(self, month: datetime, rate: TaxShare) -> tuple[Decimal, Decimal]:
        return self.sums.get((f"{month:%Y-%m}", rate), NONE)

    def add(self, month: str, rate: TaxShare, taxable: Decimal, amount: Decimal) -> None:
        before = self.sums.get((month, rate), NONE)
        self.sums[month, rate] = (before[0] + taxable, before[1] + amount)

    def add_invoice(self, terms: Terms, taxes: Iterable[Mapping[str, Any]]) -> None:
        """Adds what an invoice charged, from its `terms` and `taxes`: an older one may have charged all of it for any month."""
        for month, kept in terms.items():
            for each in kept.get("taxed", taxes):
                rate = TaxShare(each["name"], Decimal(each["percent"]))
                self.add(month, rate, Decimal(each["taxable"]), Decimal(each["amount"]))

    def subtract_credit_note(self, terms: Terms, taxes: Iterable[Mapping[str, Any]], amounts: Mapping[str, Decimal]) -> None:
        """A note of an invoice with these terms gave back `taxes`, for lines of so much in each month."""
        for each in taxes:
            rate = TaxShare(each["name"], Decimal(each["percent"]))
            taxed = {month: amount for month, amount in amounts.items() if rate in rates_from(terms[month]["taxes"])}
            for month, taxable, amount in _spread(each, taxed):
                self.add(month, rate, -taxable, -amount)


def _spread(tax: Mapping[str, Any], amounts: Mapping[str, Decimal]) -> list[tuple[str, Decimal, Decimal]]:
    """A note's tax over its months, in proportion to what it took back of each."""
    whole = sum(amounts.values(), NOTHING)
    if not whole:
        return []

    def shares(of: Decimal) -> list[Decimal]:
        return share_out(of, [WIDE.divide(WIDE.multiply(of, each), whole) for each in amounts.values()])

    return list(zip(amounts, shares(Decimal(tax["taxable"])), shares(Decimal(tax["amount"])), strict=True))
