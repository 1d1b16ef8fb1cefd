"""Shapes in which providers state more than a chat: other endpoints, tools, pages, and what LiteLLM makes of them."""

from typing import Any

import pytest

from tests.ingest.formats.usages import chat, counted, gemini, inferred, others_in, refusal, responses

Example = tuple[str, str, dict[str, Any], tuple[int, ...], dict[str, int]]

OLLAMA = {"total_duration": 5_191_566_416, "load_duration": 2_154_458, "prompt_eval_count": 26, "eval_count": 298}
METRICS = {"inputTokenCount": 12, "outputTokenCount": 30, "invocationLatency": 780, "firstByteLatency": 300}
SEARCHED = {"web_search_calls": 3, "x_search_calls": 0, "code_interpreter_calls": 0}

EXAMPLES: list[Example] = [
    ("of a chat", "ollama", OLLAMA, (26, 0, 0, 298, 0), {}),
    ("with its times", "ollama", OLLAMA | {"prompt_eval_duration": 383_809_000, "eval_duration": 4}, (26, 0, 0, 298, 0), {}),
    ("of an embedding", "ollama", {"prompt_eval_count": 8, "total_duration": 14_143_917}, (8, 0, 0, 0, 0), {}),
    (
        "with code that was run, which is billed by the hour",
        "anthropic",
        {
            "input_tokens": 105,
            "output_tokens": 239,
            "server_tool_use": {"web_search_requests": 2, "code_execution_requests": 3},
        },
        (105, 0, 0, 239, 0),
        {"web_search": 2},
    ),
    ("of nothing", "ollama", {"prompt_eval_count": 0, "eval_count": 0}, (0, 0, 0, 0, 0), {}),
    ("with nothing made", "ollama", {"prompt_eval_count": 9, "eval_count": 0}, (9, 0, 0, 0, 0), {}),
    ("with nothing read", "ollama", {"prompt_eval_count": 0, "eval_count": 7}, (0, 0, 0, 7, 0), {}),
    ("of what is invoked", "bedrock", METRICS, (12, 0, 0, 30, 0), {}),
    (
        "of what is invoked, with a cache",
        "bedrock",
        METRICS | {"cacheReadInputTokenCount": 100, "cacheWriteInputTokenCount": 5},
        (117, 100, 5, 30, 0),
        {},
    ),
    ("of an OCR", "mistral", {"pages_processed": 29, "doc_size_bytes": 5_002_330_000}, (0, 0, 0, 0, 0), {"page": 29}),
    (
        "of a response",
        "xai",
        responses(
            199,
            252,
            total_tokens=451,
            input_tokens_details={"cached_tokens": 163},
            output_tokens_details={"reasoning_tokens": 224},
            num_sources_used=0,
            num_server_side_tools_used=0,
            cost_in_usd_ticks=1_429_500,
        ),
        (199, 163, 0, 252, 224),
        {},
    ),
    (
        "of a response with reasoning beside it",
        "xai",
        responses(32, 9, total_tokens=135, output_tokens_details={"reasoning_tokens": 94}, cost_in_usd_ticks=9),
        (32, 0, 0, 103, 94),
        {},
    ),
    (
        "of a response that searched, whose sources cost nothing",
        "xai",
        responses(
            5,
            6,
            total_tokens=11,
            num_sources_used=17,
            num_server_side_tools_used=3,
            server_side_tool_usage_details=SEARCHED,
        ),
        (5, 0, 0, 6, 0),
        {"web_search": 3},
    ),
    (
        "of LiteLLM, which says the sources twice",
        "xai",
        chat(10, 5, total_tokens=15, num_sources_used=5, prompt_tokens_details={"web_search_requests": 5}),
        (10, 0, 0, 5, 0),
        {"web_search": 5},
    ),
    (
        "of LiteLLM, which says the calls twice",
        "xai",
        chat(10, 5, server_side_tool_usage_details=SEARCHED, prompt_tokens_details={"web_search_requests": 3}, cost=0.5),
        (10, 0, 0, 5, 0),
        {"web_search": 3},
    ),
    (
        "of LiteLLM, which says the searches and the reasoning twice",
        "perplexity",
        chat(
            33,
            7163,
            total_tokens=7196,
            reasoning_tokens=73997,
            citation_tokens=20016,
            num_search_queries=18,
            prompt_tokens_details={"web_search_requests": 18},
            completion_tokens_details={"reasoning_tokens": 73997},
        ),
        (33, 0, 0, 81160, 73997),
        {"web_search": 18, "citation": 20016},
    ),
    (
        "of a response",
        "openrouter",
        responses(
            10,
            20,
            total_tokens=30,
            input_tokens_details={"cached_tokens": 4},
            output_tokens_details={"reasoning_tokens": 9},
            cost=0.00014,
            is_byok=False,
            cost_details={"upstream_inference_input_cost": 0.00008, "upstream_inference_output_cost": 0.00006},
        ),
        (10, 4, 0, 20, 9),
        {},
    ),
    (
        "of DashScope, with an image",
        "qwen",
        responses(1276, 59, image_tokens=1247, output_tokens_details={"text_tokens": 59}),
        (1276, 0, 0, 59, 0),
        {"image_input": 1247},
    ),
    (
        "of DashScope, which says the image twice",
        "qwen",
        responses(1276, 59, total_tokens=1335, image_tokens=1247, input_tokens_details={"image_tokens": 1247}),
        (1276, 0, 0, 59, 0),
        {"image_input": 1247},
    ),
    (
        "of LiteLLM, with the 5-minute part of cache writes alone",
        "openai.chat",
        chat(100, 1, prompt_tokens_details={"cache_creation_token_details": {"ephemeral_5m_input_tokens": 60}}),
        (100, 0, 60, 1, 0),
        {},
    ),
]


@pytest.mark.parametrize(
    ("dialect", "said", "counts", "beside"), [each[1:] for each in EXAMPLES], ids=[f"{each[1]} {each[0]}" for each in EXAMPLES]
)
def test_an_example_counts_what_it_states(
    dialect: str, said: dict[str, Any], counts: tuple[int, ...], beside: dict[str, int]
) -> None:
    assert inferred(said) == dialect
    assert counted(said) == counted(said, dialect) == counts
    assert others_in(said) == others_in(said, dialect) == beside


MESSAGE = {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000}
COMPACTION = {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500}


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (chat(23_000, 1_000, iterations=[COMPACTION, MESSAGE]), (203_000, 0, 0, 4_500, 0)),
        (chat(203_000, 4_500, iterations=[COMPACTION, MESSAGE]), (203_000, 0, 0, 4_500, 0)),
        (chat(203_000, 4_500, total_tokens=207_500, iterations=[COMPACTION, MESSAGE]), (203_000, 0, 0, 4_500, 0)),
        (chat(23_000, 1_000, iterations=[COMPACTION]), (203_000, 0, 0, 4_500, 0)),
        (
            chat(
                203_600,
                4_500,
                total_tokens=208_100,
                cache_read_input_tokens=600,
                iterations=[COMPACTION, MESSAGE | {"cache_read_input_tokens": 600}],
            ),
            (203_600, 600, 0, 4_500, 0),
        ),
    ],
)
def test_compaction_counts_once_whether_or_not_a_proxy_added_it_up(said: dict[str, Any], counts: tuple[int, ...]) -> None:
    assert counted(said) == counts


@pytest.mark.parametrize(
    ("said", "dialect", "path"),
    [
        (chat(10, 5, num_server_side_tools_used=2), "xai", "num_server_side_tools_used"),
        (
            chat(10, 5, server_side_tool_usage_details=SEARCHED | {"x_search_calls": 1}),
            "xai",
            "server_side_tool_usage_details.x_search_calls",
        ),
        (
            responses(
                5000,
                10,
                input_tokens_details={
                    "cache_write_tokens": 4000,
                    "cache_write_tokens_details": {"ttl_30m_tokens": 3000, "ttl_12h_tokens": 1000},
                },
            ),
            "openai.responses",
            "input_tokens_details.cache_write_tokens_details.ttl_12h_tokens",
        ),
        ({"pages_processed": 3, "pages_annotated": 3}, "mistral", "pages_annotated"),
        (chat(10, 5, total_tokens=15, pages_processed=3), "mistral", "pages_processed"),
        (chat(10, 5, image_tokens=3, plugins={"search": {"count": 1}}), "qwen", "image_tokens"),
    ],
)
def test_a_number_that_nothing_else_counts_is_held(said: dict[str, Any], dialect: str, path: str) -> None:
    assert refusal(said) == (
        "usage_not_understood",
        f"usage.{path} is a number that is not understood in {dialect}'s usage.",
    )


@pytest.mark.parametrize(
    "said",
    [
        chat(10, 5, num_sources_used=5, prompt_tokens_details={"web_search_requests": 4}),
        chat(10, 5, citation_tokens=1, num_search_queries=5, prompt_tokens_details={"web_search_requests": 4}),
        responses(10, 5, image_tokens=3, input_tokens_details={"image_tokens": 4}),
        chat(
            100,
            1,
            prompt_tokens_details={
                "cache_creation_tokens": 50,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 60},
            },
        ),
        {"inputTokens": 12, "inputTokenCount": 13, "outputTokens": 1},
        responses(50, 5, input_tokens_details={"text_tokens": 10, "image_tokens": 20}),
        responses(
            50, 5, input_tokens_details={"text_tokens": 10, "image_tokens": 40}, output_tokens_details={"image_tokens": 6}
        ),
        responses(
            5000,
            10,
            input_tokens_details={"cache_write_tokens": 4000, "cache_write_tokens_details": {"ttl_30m_tokens": 3000}},
        ),
        chat(1000, 5, prompt_tokens_details={"text_tokens": 200, "audio_tokens": 800, "cached_tokens": 200}),
        chat(1000, 5, prompt_tokens_details={"audio_tokens": 800, "cached_tokens": 100}),
        chat(
            1200,
            3,
            prompt_tokens_details={
                "audio_tokens": 1000,
                "cached_tokens": 800,
                "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 600},
            },
        ),
        chat(100, 10, total_tokens=151, prompt_tokens_details={"tool_use_tokens": 40}),
        # Parts of one count that are not all of it: what is the rest?
        chat(100, 10, prompt_tokens_details={"text_tokens": 30, "audio_tokens": 20}),
        chat(100, 10, prompt_tokens_details={"text_tokens": 101}),
        chat(100, 10, prompt_tokens_details={"text_tokens": 50, "cached_tokens": 40}),
        chat(100, 10, completion_tokens_details={"text_tokens": 5}),
        chat(100, 10, completion_tokens_details={"text_tokens": 7, "reasoning_tokens": 4}),
        responses(100, 10, output_tokens_details={"text_tokens": 5, "audio_tokens": 6}),
        gemini(
            100,
            candidatesTokenCount=5,
            promptTokensDetails=[{"modality": "TEXT", "tokenCount": 30}, {"modality": "AUDIO", "tokenCount": 20}],
        ),
        gemini(100, candidatesTokenCount=5, candidatesTokensDetails=[{"modality": "TEXT", "tokenCount": 6}]),
        gemini(100, candidatesTokenCount=5, candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 6}]),
        gemini(
            100,
            candidatesTokenCount=5,
            cachedContentTokenCount=9,
            cacheTokensDetails=[{"modality": "TEXT", "tokenCount": 8}],
        ),
        gemini(
            100,
            candidatesTokenCount=5,
            toolUsePromptTokenCount=9,
            toolUsePromptTokensDetails=[{"modality": "TEXT", "tokenCount": 8}],
        ),
        responses(
            50, 100, input_tokens_details={"text_tokens": 10, "image_tokens": 40}, output_tokens_details={"image_tokens": 40}
        ),
        {"total_tokens": 5, "text_tokens": 6},
    ],
)
def test_what_is_said_twice_must_agree(said: dict[str, Any]) -> None:
    assert refusal(said)[0] == "usage_inconsistent"


@pytest.mark.parametrize(
    "said",
    [
        chat(100, 10, prompt_tokens_details={"text_tokens": 0, "audio_tokens": 20}),
        chat(100, 10, prompt_tokens_details={"text_tokens": 60, "cached_tokens": 40}),
        chat(100, 10, prompt_tokens_details={"text_tokens": 50, "cached_tokens": 40, "cache_creation_tokens": 10}),
        chat(100, 10, prompt_tokens_details={"text_tokens": 90, "cached_tokens": 40, "cache_creation_tokens": 10}),
        chat(100, 10, completion_tokens_details={"text_tokens": 6, "reasoning_tokens": 4}),
        chat(100, 10, completion_tokens_details={"text_tokens": 10, "reasoning_tokens": 4}),
        gemini(
            100,
            candidatesTokenCount=5,
            thoughtsTokenCount=4,
            candidatesTokensDetails=[{"modality": "TEXT", "tokenCount": 5}],
        ),
        gemini(
            100,
            candidatesTokenCount=5,
            promptTokensDetails=[{"modality": "TEXT", "tokenCount": 60}],
            cachedContentTokenCount=40,
        ),
        gemini(100, candidatesTokenCount=5, promptTokensDetails=[{"modality": "IMAGE", "tokenCount": 40}]),
    ],
)
def test_parts_may_leave_out_what_is_stated_beside_them(said: dict[str, Any]) -> None:
    counts = counted(said)
    assert (counts.input, counts.output) == (100, 9 if "thoughtsTokenCount" in said else counts.output)


@pytest.mark.parametrize(("accepted", "rejected"), [(11, 0), (0, 11), (6, 5)])
def test_predictions_are_parts_of_the_output(accepted: int, rejected: int) -> None:
    details = {"accepted_prediction_tokens": accepted, "rejected_prediction_tokens": rejected}
    assert refusal(chat(9, 10, completion_tokens_details=details))[0] == "usage_inconsistent"
    assert counted(chat(9, 11, completion_tokens_details=details)).output == 11
