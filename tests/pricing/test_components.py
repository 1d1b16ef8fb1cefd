"""The parts a response is billed by: no token in two of them, and no part without a rate."""

from decimal import Decimal

import pytest

from metering.pricing.components import COMPONENTS, full_rates, rates_per_million, tokens_of
from tests.kit.factories import make_price

INPUT, CACHED, WRITE, OUTPUT = Decimal("1.5"), Decimal("0.375"), Decimal("1.875"), Decimal("6")


def test_the_parts_are_named_in_their_order() -> None:
    assert COMPONENTS == ("input", "cached_input", "cache_write", "output")


def test_cached_and_cache_write_tokens_are_taken_out_of_the_input() -> None:
    assert tokens_of(2006, 1920, 50, 300) == (36, 1920, 50, 300)
    assert tokens_of(10, 10, 0, 0) == (0, 10, 0, 0)


@pytest.mark.parametrize(
    ("cached", "write", "expected"),
    [
        (CACHED, WRITE, (INPUT, CACHED, WRITE, OUTPUT)),
        (None, WRITE, (INPUT, INPUT, WRITE, OUTPUT)),
        (CACHED, None, (INPUT, CACHED, INPUT, OUTPUT)),
        (Decimal(0), None, (INPUT, Decimal(0), INPUT, OUTPUT)),
    ],
)
def test_a_part_of_the_input_without_a_rate_of_its_own_costs_the_input_rate(
    cached: Decimal | None, write: Decimal | None, expected: tuple[Decimal, ...]
) -> None:
    assert full_rates(INPUT, cached, write, OUTPUT) == expected


@pytest.mark.django_db
def test_a_price_versions_rates_are_those_of_its_parts() -> None:
    price = make_price(input="1.5", cached_input=None, cache_write="1.875", output="6")
    assert rates_per_million(price) == (INPUT, INPUT, WRITE, OUTPUT)
