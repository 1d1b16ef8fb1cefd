"""What files of prices say: LiteLLM's map, OpenRouter's list, CSV. Exact, or refused with a reason."""

from decimal import Decimal
from typing import Any

import pytest

from metering.catalogue.imports.cards import parse_markup
from metering.catalogue.imports.csv_file import read_csv
from metering.catalogue.imports.litellm import provider_name, read_litellm
from metering.errors import InvalidPrice
from tests.catalogue.readers import CHAT, NONE, cards, litellm, openrouter, reason


def test_a_price_for_one_token_is_read_as_it_is_written_and_never_through_a_binary_float() -> None:
    read = read_litellm('{"m": {"mode": "chat", "input_cost_per_token": 1.1e-7, "output_cost_per_token": 0.0000003}}', NONE)
    assert cards(read) == {("default", 0): {"input": "0.11", "output": "0.3"}}


def test_tiers_have_their_own_rates_and_those_of_the_default_tier_for_the_rest() -> None:
    read = litellm(
        **CHAT,
        cache_read_input_token_cost=1.25e-07,
        input_cost_per_token_priority=2.5e-06,
        output_cost_per_token_priority=2e-05,
        input_cost_per_token_batches=6.25e-07,
        output_cost_per_token_batches=5e-06,
    )
    assert cards(read) == {
        ("default", 0): {"input": "1.25", "output": "10", "cached_input": "0.125"},
        ("priority", 0): {"input": "2.5", "output": "20", "cached_input": "0.125"},
        ("batch", 0): {"input": "0.625", "output": "5", "cached_input": "0.125"},
    }


def test_a_long_request_costs_what_its_threshold_says_in_every_tier() -> None:
    read = litellm(
        **CHAT,
        input_cost_per_token_flex=6e-07,
        output_cost_per_token_flex=5e-06,
        input_cost_per_token_above_200k_tokens=2.5e-06,
        output_cost_per_token_above_200k_tokens=1.5e-05,
        output_cost_per_token_above_200k_tokens_flex=7.5e-06,
    )
    assert cards(read) == {
        ("default", 0): {"input": "1.25", "output": "10"},
        ("default", 200_000): {"input": "2.5", "output": "15"},
        ("flex", 0): {"input": "0.6", "output": "5"},
        ("flex", 200_000): {"input": "2.5", "output": "7.5"},
    }


def test_xai_bills_the_higher_rate_from_its_threshold_on() -> None:
    read = litellm(**{**CHAT, "litellm_provider": "xai"}, input_cost_per_token_above_128k_tokens=2.5e-06)
    assert list(cards(read)) == [("default", 0), ("default", 127_999)]


def test_tiered_prices_hold_for_the_whole_request_of_their_range() -> None:
    read = litellm(
        mode="chat",
        tiered_pricing=[
            {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06},
            {
                "range": [32000.0, 128000.0],
                "input_cost_per_token": 1.8e-06,
                "output_cost_per_token": 9e-06,
                "cache_read_input_token_cost": 3.6e-07,
            },
        ],
    )
    assert cards(read) == {
        ("default", 0): {"input": "1", "output": "5", "cached_input": "1"},
        ("default", 32_000): {"input": "1.8", "output": "9", "cached_input": "0.36"},
    }


def test_an_hour_of_cache_and_audio_and_reasoning_are_components_of_their_own() -> None:
    read = litellm(
        **CHAT,
        cache_creation_input_token_cost=1.5e-06,
        cache_creation_input_token_cost_above_1hr=2.5e-06,
        cache_creation_input_token_cost_above_1hr_above_200k_tokens=5e-06,
        input_cost_per_audio_token=3.2e-05,
        output_cost_per_reasoning_token=2e-05,
        search_context_cost_per_query={
            "search_context_size_low": 0.01,
            "search_context_size_medium": 0.02,
            "search_context_size_high": 0.02,
        },
    )
    expected = {
        "input": "1.25",
        "output": "10",
        "cache_write": "1.5",
        "cache_write_1h": "2.5",
        "audio_input": "32",
        "reasoning": "20",
        "web_search": "0.02",
        "web_search/low": "0.01",
    }
    assert cards(read) == {("default", 0): expected, ("default", 200_000): expected | {"cache_write_1h": "5"}}


@pytest.mark.parametrize(
    ("fields", "rates"),
    [
        (
            {"mode": "audio_transcription", "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0},
            {"audio_duration": "0.0001"},
        ),
        ({"mode": "audio_speech", "input_cost_per_character": 1.5e-05}, {"character": "15"}),
        ({"mode": "image_generation", "output_cost_per_image": 0.04}, {"image": "0.04"}),
        (
            {"mode": "image_generation", "input_cost_per_image": 0.011, "input_cost_per_pixel": 1.0490417e-08},
            {"image": "0.011"},
        ),
        ({"mode": "rerank", "input_cost_per_query": 0.002}, {"search_unit": "0.002"}),
        (
            {"mode": "ocr", "ocr_cost_per_page": 0.001, "annotation_cost_per_page": 0.003},
            {"page": "0.001", "page/annotation": "0.003"},
        ),
        (
            {"mode": "video_generation", "output_cost_per_second": 0.1, "output_cost_per_second_720p": 0.2},
            {"video_duration": "0.1", "video_duration/720p": "0.2"},
        ),
    ],
)
def test_what_is_not_billed_by_tokens_costs_nothing_for_them(fields: dict[str, Any], rates: dict[str, str]) -> None:
    assert cards(litellm(**fields)) == {("default", 0): {"input": "0", "output": "0", **rates}}


def test_a_price_by_the_pixel_is_a_price_by_the_image_of_its_name() -> None:
    text = '{"azure/hd/1024-x-1024/dall-e-3": {"mode": "image_generation", "input_cost_per_pixel": 7.62939453125e-08}}'
    assert cards(read_litellm(text, NONE)) == {("default", 0): {"input": "0", "output": "0", "image": "0.08"}}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "It has no price."),
        ({**CHAT, "cost_per_moon": 1}, "It has a price that is not known here: cost_per_moon."),
        ({**CHAT, "off_peak_pricing": {}}, "It costs less at some hours of the day: set its price by hand (off_peak_pricing)."),
        ({"mode": "chat", "input_cost_per_token": 1e-06}, "It has no rate for output tokens."),
        ({"mode": "chat", "output_cost_per_token": 1e-06}, "It has no rate for input tokens."),
        ({**CHAT, "input_cost_per_token": -1}, "input_cost_per_token is -1: a price cannot be negative."),
        ({**CHAT, "input_cost_per_token": "dear"}, "input_cost_per_token is 'dear', which is not an amount."),
        ({**CHAT, "input_cost_per_token": True}, "input_cost_per_token is 'True', which is not an amount."),
        ({**CHAT, "input_cost_per_token": 1.5}, "input 1500000.000000 is more than 1000000 USD per million tokens."),
        (
            {**CHAT, "input_cost_per_token": 1.23456789e-09},
            "input_cost_per_token is 1.23456789E-9: a rate of input has 6 decimals for 1M tokens, "
            "and rounding it would be more than a cent in 10,000 USD.",
        ),
    ],
)
def test_what_cannot_be_billed_as_it_is_written_is_refused_with_its_reason(fields: dict[str, Any], said: str) -> None:
    assert reason(litellm(**fields)) == said


def test_what_a_binary_float_left_behind_is_rounded_and_said() -> None:
    read = litellm(**{**CHAT, "input_cost_per_token": 2.0000000000000002e-07})
    assert cards(read)[("default", 0)]["input"] == "0.2"
    assert read.entries[0].remarks == ("input_cost_per_token 2.0000000000000002E-7 is rounded to 0.2 USD for 1M tokens.",)


def test_a_markup_is_exact_and_rounded_half_up_to_the_decimals_of_the_rate() -> None:
    read = litellm(parse_markup("20%"), **{**CHAT, "input_cost_per_token": 1.000005e-06}, input_cost_per_request=0.005)
    assert cards(read) == {("default", 0): {"input": "1.200006", "output": "12", "request": "0.006"}}
    half = litellm(parse_markup("50%"), **{**CHAT, "input_cost_per_token": 1e-12})
    assert cards(half)[("default", 0)]["input"] == "0.000002"


@pytest.mark.parametrize(
    ("text", "markup"), [(None, "0"), ("20%", "0.2"), ("0.2", "0.2"), ("-5 %", "-0.05"), ("12.5%", "0.125")]
)
def test_a_markup_is_per_cent_or_a_share(text: str | None, markup: str) -> None:
    assert parse_markup(text) == Decimal(markup)


@pytest.mark.parametrize(
    "text", ["a lot", "20", "-101%", "nan", "Infinity%", "20000%", "1e-9", "1e9999999", "-1e9999999%", "1e-9999999%"]
)
def test_a_markup_that_could_be_anything_is_refused(text: str) -> None:
    with pytest.raises(InvalidPrice):
        parse_markup(text)


@pytest.mark.parametrize(
    ("name", "provider"),
    [("vertex_ai-anthropic_models", "vertex_ai"), ("bedrock_converse", "bedrock"), ("azure", "azure")],
)
def test_a_family_of_a_providers_models_is_that_provider(name: str, provider: str) -> None:
    assert provider_name(name) == provider


def test_openrouters_list_is_read_with_its_caches_searches_and_requests() -> None:
    read = openrouter(
        prompt="0.000003",
        completion="0.000015",
        request="0.01",
        image="0.0048",
        web_search="0.01",
        internal_reasoning="0",
        input_cache_read="0.0000003",
        input_cache_write="0.00000375",
    )
    assert cards(read) == {
        ("default", 0): {
            "input": "3",
            "output": "15",
            "request": "0.01",
            "web_search": "0.01",
            "cached_input": "0.3",
            "cache_write": "3.75",
        }
    }
    (entry,) = read.entries
    assert (entry.page.name, entry.page.provider, entry.page.context_window) == ("B", "a", 8192)
    assert entry.remarks == ("image: images of the input are billed as tokens.",)


def test_openrouters_longer_requests_cost_more_from_their_length_on() -> None:
    read = openrouter(prompt="0.000001", completion="0.000002", overrides=[{"min_prompt_tokens": 200000, "prompt": "0.000002"}])
    assert cards(read) == {
        ("default", 0): {"input": "1", "output": "2"},
        ("default", 199_999): {"input": "2", "output": "2"},
    }


@pytest.mark.parametrize(
    ("pricing", "said"),
    [
        ({"prompt": "-1", "completion": "-1"}, "Its price is that of the model that it chooses for each request."),
        ({"prompt": "0.1"}, "It has no price for its completion."),
        ({"prompt": "0", "completion": "0", "seats": "1"}, "It has a price that is not known here: seats."),
        (
            {"prompt": "0", "completion": "0", "overrides": [{"utc_start": 1, "prompt": "0"}]},
            "It costs less or more at some hours of the day: set its price by hand.",
        ),
        (
            {"prompt": "0", "completion": "0", "discount": 0.5},
            "It has a discount, and its prices do not say whether they are before or after it.",
        ),
    ],
)
def test_what_openrouter_prices_otherwise_is_refused(pricing: dict[str, Any], said: str) -> None:
    assert reason(openrouter(**pricing)) == said


def test_csv_has_a_line_for_each_tier_and_threshold_and_a_column_for_each_component() -> None:
    text = (
        "model,service_tier,above_input_tokens,input,cached_input,output,image/high/1024x1024\r\n"
        "a,,,1.5,0.375,6,\r\n"
        "a,priority,200000,3,,12,0.25\r\n"
    )
    assert cards(read_csv(text, NONE)) == {
        ("default", 0): {"input": "1.5", "cached_input": "0.375", "output": "6"},
        ("priority", 200_000): {"input": "3", "output": "12", "image/high/1024x1024": "0.25"},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,input,output\na,1.5,\n", "Line 2 has no output rate: write 0 where it costs nothing."),
        ("model,input,output\na,1,2\na,1,2\n", "Line 3 has the same tier and threshold as a line above it."),
        ("model,input,output\na,1.0000001,2\n", "Line 2: input 1.0000001 has more than 6 decimals."),
        ("model,input,output\na,1\n", "Line 2 has a different number of values than the header."),
        (
            "model,above_input_tokens,input,output\na,-1,1,2\n",
            "Line 2: above_input_tokens is '-1', which is not a whole number of tokens.",
        ),
        ("model,input,output\n,1,2\n", "Line 2 has no model."),
    ],
)
def test_a_line_that_prices_nothing_for_sure_refuses_its_model(text: str, said: str) -> None:
    assert reason(read_csv(text, NONE)) == said
