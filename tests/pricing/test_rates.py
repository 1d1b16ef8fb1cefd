"""Which price version applies, and what it comes to."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.components import Counts
from metering.money import from_pico
from metering.pricing.rates import Rates, event_cost, load_rates
from tests.kit.factories import LONG_AGO, NOW, make_model, make_price, make_workspace

pytestmark = pytest.mark.django_db


def test_the_golden_vector() -> None:
    rates = Rates(price_id=1, input=1_500_000, cached_input=375_000, cache_write=1_500_000, output=6_000_000)
    pico = event_cost(rates, Counts(input=2006, cached_input=1920, cache_write=0, output=300, reasoning=192))
    assert pico == 2_649_000_000
    assert from_pico(pico) == Decimal("0.002649")


tokens = st.integers(0, 2**31 - 1)
micros = st.integers(0, 10**12)


@given(parts=st.tuples(tokens, tokens, tokens, tokens), rates=st.tuples(micros, micros, micros, micros))
def test_any_cost_equals_the_decimal_sum_of_its_parts(
    parts: tuple[int, int, int, int], rates: tuple[int, int, int, int]
) -> None:
    uncached, cached, cache_write, output = parts
    cost = event_cost(Rates(1, *rates), Counts(uncached + cached + cache_write, cached, cache_write, output, 0))
    expected = sum(
        (Decimal(count) * Decimal(rate).scaleb(-6) / 1_000_000 for count, rate in zip(parts, rates, strict=True)), Decimal(0)
    )
    assert from_pico(cost) == expected


def test_a_part_of_the_input_without_a_rate_costs_the_full_input_rate() -> None:
    price = make_price(input="3", cached_input=None, cache_write=None, output="12")
    found = load_rates().find(price.model_id, "default", 1, NOW, 10)
    assert found == Rates(price.pk, 3_000_000, 3_000_000, 3_000_000, 12_000_000)


def test_a_rate_of_zero_is_free_and_no_price_is_no_price() -> None:
    free = make_price("free", input="0", cached_input="0", output="0")
    table = load_rates()
    assert table.find(free.model_id, "default", 1, NOW, 10) == Rates(free.pk, 0, 0, 0, 0)
    assert table.find(free.model_id, "priority", 1, NOW, 10) is None
    assert table.find(make_model("unpriced").pk, "default", 1, NOW, 10) is None


def test_a_version_is_in_force_from_its_instant_until_its_successors() -> None:
    change = datetime(2026, 10, 10, 9, 30, tzinfo=UTC)
    before, after = make_price(effective_from=LONG_AGO), make_price(input="2", effective_from=change)
    future = make_price(input="9", effective_from=NOW + timedelta(days=365))
    table = load_rates()

    def at(instant: datetime) -> int | None:
        found = table.find(before.model_id, "default", 1, instant, 10)
        return found and found.price_id

    moment = timedelta(microseconds=1)
    assert at(LONG_AGO - moment) is None
    assert at(LONG_AGO) == before.pk
    assert at(change - moment) == before.pk
    assert at(change) == after.pk
    assert at(NOW) == after.pk
    assert at(future.effective_from) == future.pk


def test_a_long_context_price_reprices_strictly_above_its_threshold() -> None:
    base = make_price(input="1")
    upper = make_price(input="2", above_input_tokens=200_000)
    highest = make_price(input="3", above_input_tokens=1_000_000)
    table = load_rates()
    found = [table.find(base.model_id, "default", 1, NOW, size) for size in (0, 200_000, 200_001, 1_000_000, 1_000_001)]
    assert [each and each.price_id for each in found] == [base.pk, base.pk, upper.pk, upper.pk, highest.pk]


def test_a_long_context_price_that_is_not_yet_in_force_leaves_the_base_price() -> None:
    base = make_price(input="1")
    make_price(input="2", above_input_tokens=200_000, effective_from=NOW + timedelta(days=1))
    found = load_rates().find(base.model_id, "default", 1, NOW, 300_000)
    assert found is not None
    assert found.price_id == base.pk


def test_a_workspaces_own_price_comes_before_the_list_price_from_its_own_beginning() -> None:
    workspace, other = make_workspace(), make_workspace("Other")
    listed = make_price(input="1")
    own = make_price(input="0.5", workspace=workspace, effective_from=NOW)
    make_price(input="7", above_input_tokens=200_000)
    table = load_rates()

    def price_of(workspace_id: int, at: datetime, size: int = 10) -> int | None:
        found = table.find(listed.model_id, "default", workspace_id, at, size)
        return found and found.price_id

    assert price_of(workspace.pk, NOW - timedelta(microseconds=1)) == listed.pk
    assert price_of(workspace.pk, NOW) == own.pk
    assert price_of(workspace.pk, NOW, 300_000) == own.pk
    assert price_of(other.pk, NOW) == listed.pk


def test_an_alias_costs_what_the_model_costs_that_it_stands_for() -> None:
    price = make_price()
    alias = make_model("codex-mini-latest", alias_of=price.model)
    found = load_rates().find(alias.pk, "default", 1, NOW, 10)
    assert found is not None
    assert found.price_id == price.pk
