"""Usage objects that nobody can count: refused with the reason, never clamped."""

from typing import Any

import pytest

from metering.ingest.formats.dialects.registry import DialectName
from tests.ingest.formats.usages import MOST, chat, gemini, reasoning, refusal, responses

INCONSISTENT = [
    ("a total below the parts", chat(10, 5, total_tokens=14), None),
    ("a total above the parts, as Gemini's OpenAI-compatible answers have it", chat(758, 102, total_tokens=1725), None),
    ("a total that reasoning reaches only in part", chat(10, 5, total_tokens=17, **reasoning(3)), None),
    ("more cached than input", chat(10, 5, prompt_tokens_details={"cached_tokens": 11}), None),
    (
        "more cached and written than input",
        chat(10, 5, prompt_tokens_details={"cached_tokens": 6, "cache_write_tokens": 5}),
        None,
    ),
    ("more reasoning than output", chat(10, 5, total_tokens=15, **reasoning(6)), None),
    ("more cached than input, in responses", responses(10, 5, input_tokens_details={"cached_tokens": 11}), None),
    ("more reasoning than output, in responses", responses(10, 5, output_tokens_details={"reasoning_tokens": 6}), None),
    ("two shapes that differ in input", chat(10, 5, **responses(11, 5)), None),
    ("two shapes that differ in output", chat(10, 5, **responses(10, 6)), None),
    ("two shapes of which one is empty", chat(10, 5, **responses(0, 0)), None),
    (
        "two shapes that differ in what was cached",
        chat(10, 5, **responses(10, 5), prompt_tokens_details={"cached_tokens": 3}, input_tokens_details={"cached_tokens": 4}),
        None,
    ),
    ("two cache counts that differ", chat(10, 5, prompt_tokens_details={"cached_tokens": 3}, cache_read_input_tokens=4), None),
    ("cached tokens that may be inside or outside", chat(10, 5, cache_read_input_tokens=4), None),
    (
        "cached tokens stated as none and as some, without a total",
        chat(10, 5, prompt_tokens_details={"cached_tokens": 0}, cache_read_input_tokens=4),
        None,
    ),
    (
        "cached tokens stated as some and as more",
        chat(10, 5, total_tokens=15, prompt_tokens_details={"cached_tokens": 3}, cache_read_input_tokens=4),
        None,
    ),
    (
        "cached tokens that may be audio",
        gemini(
            9, cachedContentTokenCount=4, candidatesTokenCount=1, promptTokensDetails=[{"modality": "AUDIO", "tokenCount": 5}]
        ),
        None,
    ),
    (
        "cached tokens in both places without a total",
        responses(50, 5, input_tokens_details={"cached_tokens": 40}, cache_read_input_tokens=40),
        None,
    ),
    (
        "cache writes whose parts do not add up",
        responses(
            1,
            2,
            cache_creation_input_tokens=71,
            cache_creation={"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 40},
        ),
        None,
    ),
    ("Anthropic's total without the cached", responses(50, 5, cache_read_input_tokens=1800, total_tokens=55), None),
    (
        "Anthropic's cached tokens in what is said to be responses",
        responses(50, 5, cache_read_input_tokens=9),
        "openai.responses",
    ),
    ("Gemini's total below the parts", gemini(10, candidatesTokenCount=5, totalTokenCount=14), None),
    (
        "Gemini's total that thoughts reach only in part",
        gemini(10, candidatesTokenCount=5, thoughtsTokenCount=9, totalTokenCount=17),
        None,
    ),
    ("Gemini's total without candidates and above the prompt", gemini(10, totalTokenCount=17), None),
    (
        "Gemini's total without the results of tools",
        gemini(10, toolUsePromptTokenCount=4, candidatesTokenCount=5, totalTokenCount=15),
        None,
    ),
    (
        "more thoughts inside than candidates",
        gemini(10, candidatesTokenCount=5, thoughtsTokenCount=6, totalTokenCount=15),
        None,
    ),
    ("more cached than Gemini's prompt", gemini(10, cachedContentTokenCount=11, candidatesTokenCount=5), None),
    ("Gemini's two spellings that differ", gemini(10, prompt_token_count=11, candidatesTokenCount=5), None),
    ("Gemini beside OpenAI that says something else", gemini(10, candidatesTokenCount=5, **chat(10, 6)), None),
    ("Gemini's list in OpenAI's chat", chat(10, 5, prompt_tokens_details=[{"modality": "TEXT"}]), None),
    ("Gemini's list in xAI's chat", chat(10, 5, prompt_tokens_details=[]), "xai"),
    ("xAI's total that fits neither way", chat(10, 5, total_tokens=16, **reasoning(3)), "xai"),
    ("more reasoning inside than xAI's completion", chat(10, 5, total_tokens=15, **reasoning(6)), "xai"),
    ("more cached than xAI's input", chat(10, 5, prompt_tokens_details={"cached_tokens": 11}), "xai"),
]


@pytest.mark.parametrize(("said", "dialect"), [case[1:] for case in INCONSISTENT], ids=[case[0] for case in INCONSISTENT])
def test_usage_that_contradicts_itself_is_refused(said: dict[str, Any], dialect: DialectName | None) -> None:
    code, message = refusal(said, dialect)
    assert code == "usage_inconsistent"
    assert message.endswith(".")


def test_the_refusal_says_what_does_not_agree() -> None:
    assert refusal(chat(10, 5, total_tokens=14)) == (
        "usage_inconsistent",
        "The usage contradicts itself: total_tokens is 14, but prompt_tokens 10 and completion_tokens 5 add up to 15.",
    )
    assert refusal(gemini(10, candidatesTokenCount=5, thoughtsTokenCount=9, totalTokenCount=17))[1] == (
        "The usage contradicts itself: totalTokenCount is 17, but promptTokenCount 10, toolUsePromptTokenCount 0, "
        "candidatesTokenCount 5 and thoughtsTokenCount 9 add up to 24."
    )


@pytest.mark.parametrize(
    ("said", "dialect", "field"),
    [
        (responses(1, 2), "openai.chat", "prompt_tokens"),
        ({"prompt_tokens": 1}, "openai.chat", "completion_tokens"),
        ({"prompt_tokens": 1, "total_tokens": 3}, "openai.chat", "completion_tokens"),
        (chat(1, 2), "openai.responses", "input_tokens"),
        ({"input_tokens": 1}, "openai.responses", "output_tokens"),
        (chat(1, 2), "anthropic", "input_tokens"),
        ({"input_tokens": 1, "cache_read_input_tokens": 5}, "anthropic", "output_tokens"),
        (chat(1, 2), "gemini", "promptTokenCount"),
        (gemini(1), "gemini", "candidatesTokenCount"),
        ({"candidatesTokenCount": 1, "totalTokenCount": 2}, "gemini", "promptTokenCount"),
        ({"output_tokens": 2}, "xai", "prompt_tokens"),
        ({"prompt_tokens": 1, "total_tokens": 1}, "xai", "completion_tokens"),
        ({"input_tokens": 1}, None, "output_tokens"),
        ({"prompt_tokens": 1}, None, "completion_tokens"),
        ({"totalTokenCount": 9}, None, "promptTokenCount"),
    ],
)
def test_a_count_that_is_not_there_is_named(said: dict[str, Any], dialect: DialectName | None, field: str) -> None:
    assert refusal(said, dialect) == ("usage_missing", f"usage.{field} is missing.")


@pytest.mark.parametrize("said", [{}, {"cost": 1}, {"tokens": 5}, {"total_tokens": None}, {"prompt_tokens": None}])
def test_usage_in_no_known_shape_is_refused(said: dict[str, Any]) -> None:
    assert refusal(said)[0] == "usage_missing"


@pytest.mark.parametrize(
    ("said", "dialect"),
    [
        (responses(MOST, 0, cache_read_input_tokens=1), "anthropic"),
        (
            responses(MOST, 0, cache_creation={"ephemeral_5m_input_tokens": MOST, "ephemeral_1h_input_tokens": MOST}),
            "anthropic",
        ),
        (gemini(MOST, toolUsePromptTokenCount=1, candidatesTokenCount=0), "gemini"),
        (gemini(1, candidatesTokenCount=MOST, thoughtsTokenCount=1), "gemini"),
        (chat(1, MOST, **reasoning(1)), "xai"),
    ],
)
def test_a_sum_that_no_count_holds_is_refused_not_wrapped(said: dict[str, Any], dialect: DialectName) -> None:
    assert refusal(said, dialect)[0] == "usage_too_large"
