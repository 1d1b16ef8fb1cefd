"""Components beside the common five: what they are parts of, what they cost, and when a response with them has no price."""

from decimal import Decimal

import pytest

from metering.breakdown import BilledPart, all_quantities, breakdown, cost_of, pico_rates
from metering.components import (
    NO_OTHERS,
    Counts,
    OtherCounts,
    Reading,
    component_named,
    misfit,
    new_counts,
    other_counts,
    sorted_components,
)
from metering.ingest.formats.dialects.shape import UsageRefused, reading
from metering.pricing.rates import Rates, event_cost

TOKENS = {"input": "4", "cached_input": "0.4", "cache_write": "4", "output": "16"}


def rates(**more: str) -> dict[str, Decimal]:
    return {name: component_named(name).per_million(Decimal(rate)) for name, rate in (TOKENS | more).items()}


def cost(counts: Counts, others: OtherCounts, **more: str) -> str | None:
    stated = pico_rates(rates(**more))
    four = [stated.pop(name) for name in TOKENS]
    found = event_cost(Rates(1, *four, open=stated), counts, others)
    return None if found is None else f"{Decimal(found).scaleb(-12):.12f}"


def test_a_one_hour_cache_write_has_a_rate_of_its_own() -> None:
    """Anthropic's, as its price list has it: input 3, 1-hour write 5424, output 12."""
    counts, others = new_counts(3 + 5424, 12, cache_write=5424), (("cache_write_1h", 5424),)
    prices = {"input": "3", "cached_input": "0.3", "cache_write": "3.75", "output": "15"}
    assert cost(counts, others, **prices, cache_write_1h="6") == "0.032733000000"
    assert cost(counts, others, **prices) == "0.020529000000", "as any write, where the card does not tell them apart"


def test_realtime_audio_costs_as_text_where_the_card_has_text_rates_only() -> None:
    counts = new_counts(8223, 1269, cached_input=8192)
    others = other_counts({"audio_input": 20, "cached_audio_input": 6000, "audio_output": 1000})
    assert cost(counts, others) == cost(counts, NO_OTHERS) == "0.023704800000"


def test_audio_has_rates_of_its_own_in_every_branch_of_the_tree() -> None:
    counts = new_counts(100, 50, cached_input=40)
    others = other_counts({"audio_input": 30, "cached_audio_input": 25, "audio_output": 45})
    # 30 text, 30 audio, 15 cached text, 25 cached audio; 5 text, 45 audio
    expected = 30 * 4 + 30 * 32 + 15 * Decimal("0.4") + 25 * Decimal("0.5") + 5 * 16 + 45 * 64
    stated = {"audio_input": "32", "cached_audio_input": "0.5", "audio_output": "64"}
    assert cost(counts, others, **stated) == f"{expected.scaleb(-6):.12f}"
    assert breakdown(all_quantities(counts, others), rates(**stated)) == [
        BilledPart("input", 30, Decimal(4)),
        BilledPart("cached_input", 15, Decimal("0.4")),
        BilledPart("cache_write", 0, Decimal(4)),
        BilledPart("output", 5, Decimal(16)),
        BilledPart("audio_input", 30, Decimal(32)),
        BilledPart("cached_audio_input", 25, Decimal("0.5")),
        BilledPart("audio_output", 45, Decimal(64)),
    ]


def test_reasoning_is_output_unless_it_has_a_rate_of_its_own() -> None:
    counts = new_counts(0, 300, reasoning=192)
    assert cost(counts, NO_OTHERS) == "0.004800000000"
    assert cost(counts, NO_OTHERS, reasoning="3") == "0.002304000000"
    assert cost(counts, NO_OTHERS, reasoning="0") == "0.001728000000", "0 is a rate"


def test_a_request_costs_what_its_rate_says_and_nothing_without_one() -> None:
    assert cost(new_counts(1, 0), NO_OTHERS) == "0.000004000000"
    assert cost(new_counts(1, 0), NO_OTHERS, request="0.005") == "0.005004000000"
    assert cost(new_counts(0, 0), (("request/high", 1),), request="0.005") == "0.005000000000"
    assert cost(new_counts(0, 0), (("request/high", 1),), **{"request": "0.005", "request/high": "0.012"}) == "0.012000000000"
    assert cost(new_counts(0, 0), (("request/high", 1),)) == "0.000000000000"


@pytest.mark.parametrize("name", ["web_search", "image", "page", "audio_duration", "citation", "image/high/1024x1024"])
def test_what_no_rate_covers_leaves_the_response_without_a_price(name: str) -> None:
    others = other_counts({name: 2})
    assert cost(new_counts(10, 10), others) is None
    assert cost(new_counts(10, 10), others, **{name: "0"}) == "0.000200000000"


def test_images_cost_by_size_and_quality_as_far_as_the_card_tells_them_apart() -> None:
    others = other_counts({"image/high/1024x1024": 2, "image/low/1024x1024": 1})
    assert others == (("image", 3), ("image/high/1024x1024", 2), ("image/low/1024x1024", 1))
    nothing = new_counts(0, 0)
    assert cost(nothing, others, image="0.01") == "0.030000000000"
    assert cost(nothing, others, **{"image": "0.01", "image/high/1024x1024": "0.167"}) == "0.344000000000"
    assert cost(nothing, others, **{"image/high/1024x1024": "0.167", "image/low/1024x1024": "0.011"}) == "0.345000000000"
    assert cost(nothing, others, **{"image/high/1024x1024": "0.167"}) is None, "the third has none"


def test_durations_are_counted_in_milliseconds_and_priced_by_the_second() -> None:
    assert cost(new_counts(0, 0), (("audio_duration", 12_345),), audio_duration="0.0001") == "0.001234500000"
    assert cost(new_counts(0, 0), (("audio_duration", 1),), audio_duration="0.000000001") == "0.000000000001"


def test_parts_that_do_not_fit_into_their_whole_are_refused() -> None:
    assert misfit(new_counts(10, 5), (("audio_input", 10), ("audio_output", 5))) == ""
    assert misfit(new_counts(10, 5, cached_input=1), (("audio_input", 10),)) == (
        "audio_input 10 do not fit into input 10 beside 1 in its other parts"
    )
    assert (
        misfit(new_counts(10, 5, cached_input=4), (("cached_audio_input", 5),))
        == "cached_audio_input 5 do not fit into cached_input 4"
    )
    assert misfit(new_counts(0, 0), (("image", 1), ("image/high", 2))) == "image/high 2 do not fit into image 1"
    assert misfit(new_counts(0, 0), (("request/high", 2),)) == "request/high 2 do not fit into request 1"
    with pytest.raises(UsageRefused, match="audio_output 6 do not fit into output 5"):
        reading(new_counts(10, 5), {"audio_output": 6})


def test_a_reading_is_plain_counts_where_nothing_else_was_used() -> None:
    counts = new_counts(10, 5)
    assert reading(counts, {"audio_input": 0, "web_search": 0}) is counts
    assert reading(counts, {"web_search": 2, "audio_input": 3}) == Reading(counts, (("audio_input", 3), ("web_search", 2)))


@pytest.mark.parametrize(
    "name", ["", "imagine", "input/high", "image/", "image/High", "image/a/b/c/d", "image/" + "x" * 60, "character/a"]
)
def test_a_name_that_is_no_component_is_none(name: str) -> None:
    with pytest.raises(KeyError):
        component_named(name)


@pytest.mark.parametrize("name", ["input", "reasoning", "request"])
def test_what_has_a_column_is_no_other_component(name: str) -> None:
    with pytest.raises(KeyError):
        other_counts({name: 1})


def test_variants_follow_what_they_are_a_part_of() -> None:
    assert sorted_components(["page", "image/low", "image", "image/high", "input"]) == [
        "input",
        "image",
        "image/high",
        "image/low",
        "page",
    ]
    assert component_named("image/high/1024x1024").label == "generated image (high, 1024x1024)"


def test_costs_are_the_same_at_any_order_and_whatever_is_zero() -> None:
    quantities = {"web_search": 1, "audio_input": 3, "input": 10, "cached_input": 0, "cache_write": 0, "output": 0}
    stated = pico_rates(rates(web_search="0.01", audio_input="40"))
    assert cost_of(quantities, stated) == 7 * 4_000_000 + 3 * 40_000_000 + 10_000_000_000
