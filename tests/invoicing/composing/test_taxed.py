"""Taxes on the parts of a subtotal, in plain numbers: what gives back more is never taxed for more."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from metering.invoicing.composing.taxes import MonthPart, TaxShare, taxed

OWN, EARLIER, THIRD = (datetime(2026, month, 1, tzinfo=UTC) for month in (10, 9, 8))
VAT, OTHER = TaxShare("VAT", Decimal(19)), TaxShare("Other", Decimal(5))
NOTHING = Decimal("0.00")


def part(month: datetime, amount: str, rate: TaxShare) -> MonthPart:
    return MonthPart(month, Decimal(amount), (rate,))


@pytest.mark.parametrize(
    ("own", "base", "vat"),
    [("-9.00", "1.00", "0.19"), ("-10.00", "0.00", "0.00"), ("-11.00", "0.00", "0.00"), ("-30.00", "0.00", "0.00")],
)
def test_a_line_that_gives_back_more_than_all_that_is_taxed_like_it_leaves_nothing_of_the_tax(
    own: str, base: str, vat: str
) -> None:
    parts = [part(OWN, own, VAT), part(EARLIER, "10.00", VAT), part(THIRD, "50.00", OTHER)]
    taxes, _ = taxed(parts, lambda month, rate: (NOTHING, NOTHING))
    assert {tax.name: (tax.taxable, tax.amount) for tax in taxes} == {
        "VAT": (Decimal(base), Decimal(vat)),
        "Other": (Decimal("50.00"), Decimal("2.50")),
    }


def test_what_an_earlier_month_was_charged_is_given_back_and_no_more() -> None:
    parts = [part(OWN, "-30.00", VAT), part(EARLIER, "-10.00", VAT), part(THIRD, "50.00", OTHER)]
    charged = {EARLIER: (Decimal("4.00"), Decimal("0.76"))}
    taxes, _ = taxed(parts, lambda month, rate: charged.get(month, (NOTHING, NOTHING)))
    assert {tax.name: (tax.taxable, tax.amount) for tax in taxes} == {
        "VAT": (Decimal("-4.00"), Decimal("-0.76")),
        "Other": (Decimal("50.00"), Decimal("2.50")),
    }
