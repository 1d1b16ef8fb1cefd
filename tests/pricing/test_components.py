"""The list of what is counted and priced: no token is billed twice, none has no rate, and all that names one follows it."""

from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Field
from hypothesis import given
from hypothesis import strategies as st

import metering
from metering.breakdown import billed_sql
from metering.catalogue.models import PriceVersion
from metering.components import (
    BY_NAME,
    COMPONENTS,
    COUNTED,
    LISTED,
    NAMES,
    OPEN,
    QUANTITIES,
    Counts,
    billed_quantities,
    full_rates,
    rates_per_million,
)
from metering.ingest.models import UsageEvent
from metering.pricing.rates import Rates, event_cost
from metering.reconcile import rule
from metering.rollups.models import DailyRollup
from metering.usage.events.events import EventRow
from metering.usage.events.history import PastState
from metering.usage.query import Measures
from tests.kit.factories import make_price

INPUT, CACHED, WRITE, OUTPUT = Decimal("1.5"), Decimal("0.375"), Decimal("1.875"), Decimal("6")


def counted(*counts: int) -> UsageEvent:
    return UsageEvent(**dict(zip(QUANTITIES, counts, strict=True)))


def test_the_components_are_named_in_their_order() -> None:
    assert NAMES == ("input", "cached_input", "cache_write", "output")
    assert [each.title for each in COMPONENTS] == ["Input", "Cached input", "Cache write", "Output"]
    assert [each.name for each in COUNTED if each not in COMPONENTS] == ["reasoning"]


def test_cached_and_cache_write_tokens_are_billed_beside_the_input_and_not_in_it() -> None:
    expected = {"input": 36, "cached_input": 1920, "cache_write": 50, "output": 300}
    assert billed_quantities(counted(2006, 1920, 50, 300, 192)) == expected
    assert list(billed_quantities(counted(10, 10, 0, 0, 0)).values()) == [0, 10, 0, 0]


def test_a_component_in_sql_is_its_column_less_those_that_are_billed_by_themselves() -> None:
    assert billed_sql(BY_NAME["input"]) == "input_tokens - cached_input_tokens - cache_write_tokens"
    assert billed_sql(BY_NAME["output"], "sum({})") == "sum(output_tokens)"
    assert [billed_sql(each, "tokens[{at}]") for each in COMPONENTS] == [
        "tokens[1] - tokens[2] - tokens[3]",
        "tokens[2]",
        "tokens[3]",
        "tokens[4]",
    ]


@pytest.mark.parametrize(
    ("cached", "write", "expected"),
    [
        (CACHED, WRITE, [INPUT, CACHED, WRITE, OUTPUT]),
        (None, WRITE, [INPUT, INPUT, WRITE, OUTPUT]),
        (CACHED, None, [INPUT, CACHED, INPUT, OUTPUT]),
        (Decimal(0), None, [INPUT, Decimal(0), INPUT, OUTPUT]),
    ],
)
def test_a_component_without_a_rate_of_its_own_costs_the_rate_it_falls_back_on(
    cached: Decimal | None, write: Decimal | None, expected: list[Decimal]
) -> None:
    rates = full_rates({"input": INPUT, "cached_input": cached, "cache_write": write, "output": OUTPUT})
    assert list(rates.items()) == list(zip(NAMES, expected, strict=True))


@pytest.mark.django_db
def test_a_price_versions_rates_are_those_of_its_components() -> None:
    price = make_price(input="1.5", cached_input=None, cache_write="1.875", output="6")
    assert list(rates_per_million(price).values()) == [INPUT, INPUT, WRITE, OUTPUT]


tokens = st.integers(0, 2**31 - 1)
micros = st.integers(0, 10**12)


@given(parts=st.tuples(*[tokens] * len(COUNTED)), rates=st.tuples(*[micros] * len(COMPONENTS)))
def test_the_cost_that_is_written_out_is_the_sum_over_the_list(parts: tuple[int, ...], rates: tuple[int, ...]) -> None:
    counts = Counts(*parts)
    billed = billed_quantities(counted(*counts))
    assert event_cost(Rates(1, *rates), counts) == sum(billed[name] * rate for name, rate in zip(NAMES, rates, strict=True))


def columns(model: type[PriceVersion] | type[UsageEvent] | type[DailyRollup], ending: str) -> list[str]:
    return [field.name for field in model._meta.get_fields() if isinstance(field, Field) and field.name.endswith(ending)]


def names_of(kind: type, among: tuple[str, ...]) -> list[str]:
    return [field.name for field in fields(kind) if field.name in among]


def test_everything_that_is_written_out_follows_the_list() -> None:
    """What a type checker or the database must see is declared by hand: none is forgotten, and none in another order."""
    assert columns(PriceVersion, "_rate") == [each.rate for each in COMPONENTS]
    assert columns(UsageEvent, "_tokens") == columns(DailyRollup, "_tokens") == list(QUANTITIES)
    assert Counts._fields == tuple(each.name for each in COUNTED)
    assert [field.name for field in fields(Rates)] == ["price_id", *NAMES, "open"]
    for kind in (EventRow, PastState, Measures):
        assert names_of(kind, QUANTITIES) == list(QUANTITIES), kind
    assert list(rule.QUANTITIES_ALONE) == list(rule.RATES) == list(NAMES)
    assert {name: (whole, 1 * factor) for name, (whole, factor) in rule.WITHIN.items()} == {
        each.name: (each.part_of, 1_000_000 // each.per) for each in OPEN
    }


def test_a_component_is_named_only_where_it_has_to_be() -> None:
    """Cache writes stand for all: whatever else names them should iterate the list.

    Dialects, other products' APIs and readers of price files say what those call them.
    """
    home = Path(metering.__file__).parent
    naming = {str(file.relative_to(home)) for file in home.rglob("*.py") if "cache_write" in file.read_text()}
    assert {
        name for name in naming if not name.startswith(("migrations/", "ingest/formats/", "compatible/", "catalogue/imports/"))
    } == {
        "components.py",
        "catalogue/models.py",
        "catalogue/providers/models.py",
        "ingest/models.py",
        "rollups/models.py",
        "pricing/rates.py",
        "usage/events/events.py",
        "usage/events/history.py",
        "usage/query.py",
        "reconcile/rule.py",
    }


def test_the_list_is_consistent() -> None:
    for each in LISTED:
        whole, fallback = BY_NAME.get(each.part_of), BY_NAME.get(each.fallback)
        assert whole is None or whole in COMPONENTS, "what is a part is billed within a whole that always has a rate"
        assert whole is None or whole.unit == each.unit, "or their quantities could not be subtracted"
        assert whole is None or LISTED.index(whole) < LISTED.index(each), "so that no circle is possible"
        assert fallback is None or fallback is whole, "what costs as another is billed within it"
    assert len(BY_NAME) == len(LISTED)
    assert [each.name for each in OPEN if each.quantity] == ["reasoning", "request"]


def test_a_rate_has_as_many_decimals_as_keep_costs_whole_pico_dollars() -> None:
    """10**-12 USD is one smallest unit at the smallest rate."""
    assert {each.decimals for each in LISTED if each.unit == "token"} == {6}
    assert [BY_NAME[name].decimals for name in ("request", "image", "audio_duration", "character")] == [12, 12, 9, 6]
    for each in LISTED:
        assert Decimal(1).scaleb(-each.decimals) / each.per == Decimal(1).scaleb(-12)
