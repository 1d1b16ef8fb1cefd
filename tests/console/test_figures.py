"""Figures of the console: one form for columns, one for exact amounts, and changes in words where figures say nothing."""

from decimal import Decimal

import pytest

from metering import dollars
from metering.console import figures


@pytest.mark.parametrize(
    ("amount", "in_a_column", "exact"),
    [
        ("0", "$0.00", "$0.000000"),
        ("0.002649", "<$0.01", "$0.002649"),
        ("-0.002649", ">-$0.01", "-$0.002649"),
        ("12", "$12.00", "$12.000000"),
        ("1234.567890123456", "$1,234.57", "$1,234.567890123456"),
    ],
)
def test_amounts_of_one_column_have_as_many_places(amount: str, in_a_column: str, exact: str) -> None:
    assert (dollars.usd_column(Decimal(amount)), dollars.usd_exact(Decimal(amount), 6)) == (in_a_column, exact)


def test_a_rate_has_the_six_places_that_customers_read() -> None:
    assert [dollars.usd_rate(Decimal(rate)) for rate in ("0.375", "1500")] == ["$0.375000", "$1,500.000000"]
    assert dollars.usd_rate(None, "-") == "-"


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (112, 100, "+12%"),
        (88, 100, "-12%"),
        (100, 100, "\u00b10%"),
        (1000, 100, "+900%"),
        (1001, 100, "more than 10\u00d7"),
        (5, 0, "new"),
        (0, 0, "\u00b10%"),
    ],
)
def test_a_change_is_said_so_that_it_means_something(now: int, before: int, said: str) -> None:
    assert figures.change(now, before) == said


def test_exact_amounts_of_one_column_are_whole_in_as_many_places() -> None:
    amounts = [Decimal("0.13971"), None, Decimal("0.03046875"), Decimal("2")]
    places = dollars.places_of(amounts, at_least=6)
    assert [dollars.usd_exact(each, places) for each in amounts if each is not None] == [
        "$0.13971000",
        "$0.03046875",
        "$2.00000000",
    ]
    assert dollars.places_of([None], at_least=6) == 6
