"""What Gemini's and xAI's usage objects count, to the token."""

from typing import Any

import pytest

from tests.ingest.formats.usages import chat, counted, gemini, inferred, others_in, reasoning, refusal

GEMINI = [
    ("without thoughts", gemini(264, candidatesTokenCount=80, totalTokenCount=344), (264, 0, 0, 80, 0)),
    (
        "with thoughts outside the candidates",
        gemini(10, candidatesTokenCount=20, thoughtsTokenCount=300, totalTokenCount=330),
        (10, 0, 0, 320, 300),
    ),
    (
        "with thoughts that the total shows inside",
        gemini(10, candidatesTokenCount=320, thoughtsTokenCount=300, totalTokenCount=330),
        (10, 0, 0, 320, 300),
    ),
    (
        "without a total, where thoughts are outside",
        gemini(10, candidatesTokenCount=20, thoughtsTokenCount=30),
        (10, 0, 0, 50, 30),
    ),
    (
        "with cached content inside the prompt",
        gemini(5000, cachedContentTokenCount=4900, candidatesTokenCount=7, totalTokenCount=5007),
        (5000, 4900, 0, 7, 0),
    ),
    (
        "with the results of tools beside the prompt",
        gemini(100, toolUsePromptTokenCount=40, candidatesTokenCount=7, thoughtsTokenCount=3, totalTokenCount=150),
        (140, 0, 0, 10, 3),
    ),
    ("without candidates, where the total shows that there were none", gemini(12, totalTokenCount=12), (12, 0, 0, 0, 0)),
    ("with thoughts but no answer", gemini(12, thoughtsTokenCount=88, totalTokenCount=100), (12, 0, 0, 88, 88)),
    (
        "with details by modality",
        gemini(
            9,
            candidatesTokenCount=1,
            totalTokenCount=10,
            promptTokensDetails=[{"modality": "TEXT", "tokenCount": 9}],
            trafficType="ON_DEMAND",
        ),
        (9, 0, 0, 1, 0),
    ),
    (
        "as the Python SDK dumps it",
        {
            "cache_tokens_details": None,
            "cached_content_token_count": 4900,
            "candidates_token_count": 20,
            "candidates_tokens_details": None,
            "prompt_token_count": 5000,
            "prompt_tokens_details": [{"modality": "TEXT", "token_count": 5000}],
            "thoughts_token_count": 300,
            "tool_use_prompt_token_count": None,
            "tool_use_prompt_tokens_details": None,
            "total_token_count": 5320,
            "traffic_type": None,
        },
        (5000, 4900, 0, 320, 300),
    ),
    ("in both spellings that agree", gemini(5, prompt_token_count=5, candidatesTokenCount=1), (5, 0, 0, 1, 0)),
    (
        "beside OpenAI's shape that says the same",
        gemini(5, candidatesTokenCount=1, totalTokenCount=6, **chat(5, 1, total_tokens=6)),
        (5, 0, 0, 1, 0),
    ),
]


@pytest.mark.parametrize(("said", "counts"), [case[1:] for case in GEMINI], ids=[case[0] for case in GEMINI])
def test_gemini_usage(said: dict[str, Any], counts: tuple[int, ...]) -> None:
    assert inferred(said) == "gemini"
    assert counted(said) == counted(said, "gemini") == counts


def modalities(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": modality, "tokenCount": count} for modality, count in counts.items()]


MORE_OF_GEMINI = [
    (
        "with audio and an image",
        gemini(
            1000,
            candidatesTokenCount=5,
            totalTokenCount=1005,
            promptTokensDetails=modalities(TEXT=100, AUDIO=642, IMAGE=258),
        ),
        (1000, 0, 0, 5, 0),
        {"audio_input": 642, "image_input": 258},
    ),
    (
        "with cached audio and video",
        gemini(
            1000,
            cachedContentTokenCount=700,
            candidatesTokenCount=5,
            promptTokensDetails=modalities(TEXT=100, AUDIO=400, VIDEO=500),
            cacheTokensDetails=modalities(AUDIO=300, VIDEO=400),
        ),
        (1000, 700, 0, 5, 0),
        {"audio_input": 100, "video_input": 100, "cached_audio_input": 300},
    ),
    (
        "with a picture in the answer",
        gemini(9, candidatesTokenCount=1290, candidatesTokensDetails=modalities(IMAGE=1290)),
        (9, 0, 0, 1290, 0),
        {"image_output": 1290},
    ),
    (
        "of a live session",
        gemini(
            250,
            responseTokenCount=120,
            toolUsePromptTokenCount=30,
            thoughtsTokenCount=10,
            totalTokenCount=410,
            promptTokensDetails=modalities(TEXT=50, AUDIO=200),
            responseTokensDetails=modalities(AUDIO=120),
        ),
        (280, 0, 0, 130, 10),
        {"audio_input": 200, "audio_output": 120},
    ),
    (
        "of a live session, as the SDK dumps it",
        {
            "prompt_token_count": 10,
            "response_token_count": 4,
            "total_token_count": 14,
            "response_tokens_details": [{"modality": "AUDIO", "token_count": 4}],
        },
        (10, 0, 0, 4, 0),
        {"audio_output": 4},
    ),
    (
        "with an image among the results of tools",
        gemini(
            10,
            toolUsePromptTokenCount=300,
            candidatesTokenCount=1,
            toolUsePromptTokensDetails=modalities(TEXT=42, IMAGE=258),
        ),
        (310, 0, 0, 1, 0),
        {"image_input": 258},
    ),
]


@pytest.mark.parametrize(
    ("said", "counts", "beside"), [case[1:] for case in MORE_OF_GEMINI], ids=[case[0] for case in MORE_OF_GEMINI]
)
def test_what_gemini_says_by_modality(said: dict[str, Any], counts: tuple[int, ...], beside: dict[str, int]) -> None:
    assert inferred(said) == "gemini"
    assert (counted(said), others_in(said)) == (counts, beside)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (chat(32, 9, total_tokens=135, **reasoning(94)), (32, 0, 0, 103, 94)),
        (chat(279, 6, total_tokens=374, **reasoning(89)), (279, 0, 0, 95, 89)),
        (chat(12, 1, total_tokens=399, **reasoning(386)), (12, 0, 0, 387, 386)),
        (
            chat(10120, 1499, total_tokens=14428, prompt_tokens_details={"cached_tokens": 128}, **reasoning(2809)),
            (10120, 128, 0, 4308, 2809),
        ),
    ],
)
def test_xais_reasoning_outside_the_completion_is_recognised_by_the_total(
    said: dict[str, Any], counts: tuple[int, ...]
) -> None:
    assert inferred(said) == "xai"
    assert counted(said) == counted(said, "xai") == counts
    assert refusal(said, "openai.chat")[0] == "usage_inconsistent"


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (chat(500, 500, total_tokens=1000, **reasoning(200)), (500, 0, 0, 500, 200)),
        (chat(14, 2, total_tokens=16, **reasoning(0)), (14, 0, 0, 2, 0)),
        (chat(14, 2, total_tokens=16), (14, 0, 0, 2, 0)),
    ],
)
def test_xais_reasoning_inside_the_completion_counts_like_openais(said: dict[str, Any], counts: tuple[int, ...]) -> None:
    assert counted(said, "xai") == counted(said, "openai.chat") == counted(said) == counts


def test_without_a_total_only_a_gateway_that_says_xai_gets_reasoning_added() -> None:
    assert counted(chat(10, 20, **reasoning(5)), "xai") == (10, 0, 0, 25, 5)
    assert counted(chat(10, 20, **reasoning(5))) == (10, 0, 0, 20, 5)
    assert refusal(chat(10, 20, **reasoning(30)))[0] == "usage_inconsistent"


CALLED = "num_server_side_tools_used"


@pytest.mark.parametrize(
    ("said", "searches"),
    [
        ({"num_sources_used": 10, "server_side_tool_usage_details": {"web_search_calls": 0}}, 10),
        ({"num_sources_used": 10, "server_side_tool_usage_details": {"web_search_calls": 2}}, 2),
        ({CALLED: 2, "server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 0}}, 2),
        ({CALLED: 0, "server_side_tool_usage_details": {"web_search_calls": 0}, "num_sources_used": 0}, 0),
    ],
)
def test_xais_searches_count_where_they_are_stated(said: dict[str, Any], searches: int) -> None:
    assert others_in(chat(10, 20, **said), "xai") == ({"web_search": searches} if searches else {})


@pytest.mark.parametrize("calls", [{"web_search_calls": 2}, {"web_search_calls": 0}, {}])
def test_calls_of_xais_tools_that_are_of_no_kind_are_held(calls: dict[str, int]) -> None:
    code, message = refusal(chat(10, 20, **{CALLED: 5, "server_side_tool_usage_details": calls}), "xai")
    assert (code, CALLED in message) == ("usage_not_understood", True)
