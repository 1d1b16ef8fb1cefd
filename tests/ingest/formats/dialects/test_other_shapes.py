"""Shapes of a provider's other endpoints, and of proxies that repeat its numbers under names of their own."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from metering.ingest.formats.dialects.understand import stated_cost
from tests.ingest.formats.usages import chat, counted, inferred, others_in, refusal, responses

Example = tuple[str, str, dict[str, Any], tuple[int, ...], dict[str, int]]

AZURE_TIMES = {
    "engine_tbt_ms": 12,
    "engine_ttft_ms": 113,
    "engine_ttlt_ms": 268,
    "pre_inference_ms": 43,
    "service_tbt_ms": 12,
    "service_ttft_ms": 235,
    "service_ttlt_ms": 380,
    "total_duration_ms": 348,
    "user_visible_ttft_ms": 191,
}
BY_LIFE = {"ttl_30m_tokens": 4000, "ttl_12h_tokens": 0}
IN_PARTS: list[Example] = [
    ("of Azure, with its times", "openai.chat", chat(17, 13, latency_checkpoint=AZURE_TIMES), (17, 0, 0, 13, 0), {}),
    (
        "of a response that wrote the cache",
        "openai.responses",
        responses(5000, 10, input_tokens_details={"cache_write_tokens": 4000, "cache_write_tokens_details": BY_LIFE}),
        (5000, 0, 4000, 10, 0),
        {},
    ),
    (
        "of a transcription, as LiteLLM writes it",
        "openai.chat",
        chat(14, 45, total_tokens=59, type="tokens", prompt_tokens_details={"audio_tokens": 14, "text_tokens": 0}),
        (14, 0, 0, 45, 0),
        {"audio_input": 14},
    ),
    (
        "of a realtime session, as LiteLLM writes it",
        "openai.chat",
        chat(
            1200,
            300,
            total_tokens=1500,
            prompt_tokens_details={
                "text_tokens": 200,
                "audio_tokens": 1000,
                "cached_tokens": 800,
                "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 700},
            },
            completion_tokens_details={"text_tokens": 50, "audio_tokens": 250},
        ),
        (1200, 800, 0, 300, 0),
        {"audio_input": 300, "cached_audio_input": 700, "audio_output": 250},
    ),
    (
        "of Gemini, as LiteLLM writes it, with the cached tokens beside the modalities",
        "openai.chat",
        chat(1000, 5, prompt_tokens_details={"text_tokens": 100, "audio_tokens": 700, "cached_tokens": 200}),
        (1000, 200, 0, 5, 0),
        {"audio_input": 700},
    ),
    (
        "of Gemini, as LiteLLM writes it, with pages that it read",
        "openai.chat",
        chat(140, 10, total_tokens=150, prompt_tokens_details={"text_tokens": 100, "tool_use_tokens": 40}),
        (140, 0, 0, 10, 0),
        {},
    ),
    (
        "of Gemini, as LiteLLM writes it, with a search, whose results Google does not bill",
        "openai.chat",
        chat(100, 10, total_tokens=150, prompt_tokens_details={"text_tokens": 100, "tool_use_tokens": 40}),
        (100, 0, 0, 10, 0),
        {},
    ),
]
MESSAGES_COST = {
    "cost": 0.00015472,
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": 0.00015472, "upstream_inference_prompt_cost": 0.00009752},
}
SEARCHED_ONCE = {"tool_calls_executed": 1, "tool_calls_requested": 1, "web_search_requests": 1}
AGENT_COST = {"currency": "USD", "input_cost": 0.0046, "output_cost": 0.0078, "tool_calls_cost": 0.005, "total_cost": 0.0174}
AGENT = responses(3681, 780, total_tokens=4461, cost=AGENT_COST)
PER_TURN = {
    "input_tokens_details": {"cached_tokens": 0, "input_tokens_per_turn": [2], "cached_tokens_per_turn": [0]},
    "output_tokens_details": {
        "reasoning_tokens": 0,
        "tool_output_tokens": 0,
        "output_tokens_per_turn": [1],
        "tool_output_tokens_per_turn": [0],
    },
}
OTHER_SHAPES: list[Example] = [
    (
        "of Anthropic's messages",
        "openrouter",
        responses(
            34,
            13,
            output_tokens_details={"thinking_tokens": 10},
            cache_creation_input_tokens=None,
            cache_read_input_tokens=192,
            cache_creation=None,
            **MESSAGES_COST,
        ),
        (226, 192, 0, 13, 10),
        {},
    ),
    (
        "of Anthropic's messages, without a cache",
        "openrouter",
        responses(34, 13, output_tokens_details={"thinking_tokens": 10}, cache_read_input_tokens=None, **MESSAGES_COST),
        (34, 0, 0, 13, 10),
        {},
    ),
    (
        "of a chat that searched",
        "openrouter",
        chat(100, 20, total_tokens=120, cost=0.0012, is_byok=False, server_tool_use_details=SEARCHED_ONCE),
        (100, 0, 0, 20, 0),
        {"web_search": 1},
    ),
    (
        "of a chat that says its searches twice",
        "openrouter",
        chat(100, 20, is_byok=False, server_tool_use=SEARCHED_ONCE, server_tool_use_details=SEARCHED_ONCE),
        (100, 0, 0, 20, 0),
        {"web_search": 1},
    ),
    (
        "of an agent that searched",
        "perplexity",
        AGENT | {"tool_calls_details": {"search_web": {"invocation": 1}}, "input_tokens_details": {"cached_tokens": 0}},
        (3681, 0, 0, 780, 0),
        {"web_search": 1},
    ),
    (
        "of an agent that used the cache",
        "perplexity",
        AGENT
        | {
            "input_tokens_details": {
                "cached_tokens": 600,
                "cache_read_input_tokens": 600,
                "cache_creation_input_tokens": 81,
            },
            "output_tokens_details": {"reasoning_tokens": 30},
        },
        (3681, 600, 81, 780, 30),
        {},
    ),
    (
        "of a chat that hit the cache",
        "cohere",
        {
            "billed_units": {"input_tokens": 5, "output_tokens": 418},
            "tokens": {"input_tokens": 71, "output_tokens": 418},
            "cached_tokens": 64.0,
        },
        (5, 0, 0, 418, 0),
        {},
    ),
    (
        "of a response that searched",
        "qwen",
        responses(120, 30, total_tokens=150, x_tools={"web_search": {"count": 1}}),
        (120, 0, 0, 30, 0),
        {"web_search": 1},
    ),
    ("of a response, by turn", "vllm", responses(2, 1, total_tokens=3, **PER_TURN), (2, 0, 0, 1, 0), {}),
]
EXAMPLES = IN_PARTS + OTHER_SHAPES


@pytest.mark.parametrize(
    ("dialect", "said", "counts", "beside"), [each[1:] for each in EXAMPLES], ids=[f"{each[1]} {each[0]}" for each in EXAMPLES]
)
def test_an_example_counts_what_it_states(
    dialect: str, said: dict[str, Any], counts: tuple[int, ...], beside: dict[str, int]
) -> None:
    assert inferred(said) == dialect
    assert counted(said) == counted(said, dialect) == counts
    assert others_in(said) == others_in(said, dialect) == beside


@pytest.mark.parametrize(
    ("said", "dialect", "path"),
    [
        (
            chat(100, 20, is_byok=False, server_tool_use_details=SEARCHED_ONCE | {"tool_calls_executed": 2}),
            "openrouter",
            "server_tool_use_details.tool_calls_executed",
        ),
        (
            responses(34, 13, cache_read_input_tokens=1, is_byok=False, server_tool_use_details={"web_search_requests": 1}),
            "openrouter",
            "server_tool_use_details.web_search_requests",
        ),
        (
            AGENT | {"tool_calls_details": {"search_web": {"invocation": 1}, "fetch_url": {"invocation": 2}}},
            "perplexity",
            "tool_calls_details.fetch_url.invocation",
        ),
        (
            responses(120, 30, x_tools={"web_search": {"count": 1}, "web_extractor": {"count": 1}}),
            "qwen",
            "x_tools.web_extractor.count",
        ),
    ],
)
def test_what_another_tool_did_is_held(said: dict[str, Any], dialect: str, path: str) -> None:
    assert refusal(said) == (
        "usage_not_understood",
        f"usage.{path} is a number that is not understood in {dialect}'s usage.",
    )


@pytest.mark.parametrize(
    ("said", "cost"), [(AGENT, "0.0174"), (responses(34, 13, cache_read_input_tokens=192, **MESSAGES_COST), "0.00015472")]
)
def test_what_they_say_they_charged_is_a_cross_check(said: dict[str, Any], cost: str) -> None:
    assert stated_cost(msgspec.json.encode(said), None) == Decimal(cost)
