"""What each provider's usage object counts, to the token."""

from typing import Any

import pytest

from tests.ingest.formats.usages import MOST, chat, counted, inferred, others_in, reasoning, refusal, responses

OPENAI_CHAT = [
    ("with prompt, completion and total only", chat(2006, 300, total_tokens=2306), (2006, 0, 0, 300, 0)),
    ("without a total", chat(9, 12), (9, 0, 0, 12, 0)),
    ("with nothing used", chat(0, 0, total_tokens=0), (0, 0, 0, 0, 0)),
    ("with details of null", chat(9, 12, prompt_tokens_details=None, completion_tokens_details=None), (9, 0, 0, 12, 0)),
    ("with empty details", chat(9, 12, prompt_tokens_details={}, completion_tokens_details={}), (9, 0, 0, 12, 0)),
    (
        "with nulls in the details",
        chat(9, 12, prompt_tokens_details={"cached_tokens": None}, **reasoning(None)),
        (9, 0, 0, 12, 0),
    ),
    (
        "of the golden vector",
        chat(2006, 300, prompt_tokens_details={"cached_tokens": 1920}, **reasoning(192)),
        (2006, 1920, 0, 300, 192),
    ),
    (
        "with cache writes",
        chat(2006, 300, total_tokens=2306, prompt_tokens_details={"cached_tokens": 1000, "cache_write_tokens": 1006}),
        (2006, 1000, 1006, 300, 0),
    ),
    (
        "where all is cached and all is reasoning",
        chat(7, 5, prompt_tokens_details={"cached_tokens": 7}, **reasoning(5)),
        (7, 7, 0, 5, 5),
    ),
    (
        "of Azure, with audio, a component of its own, and rejected predictions, which are parts of the rest",
        chat(
            100,
            50,
            total_tokens=150,
            prompt_tokens_details={"audio_tokens": 20, "cached_tokens": 0},
            completion_tokens_details={
                "accepted_prediction_tokens": 10,
                "rejected_prediction_tokens": 15,
                "audio_tokens": 0,
                "reasoning_tokens": 0,
            },
        ),
        (100, 0, 0, 50, 0),
    ),
    (
        "of LiteLLM for Anthropic, which says its cached tokens twice",
        chat(
            2098,
            503,
            total_tokens=2601,
            prompt_tokens_details={"cached_tokens": 1800, "cache_write_tokens": 248},
            cache_read_input_tokens=1800,
            cache_creation_input_tokens=248,
        ),
        (2098, 1800, 248, 503, 0),
    ),
    (
        "with cached tokens under Anthropic's names only, and a total that shows them inside",
        chat(2098, 503, total_tokens=2601, cache_read_input_tokens=1800, cache_creation_input_tokens=248),
        (2098, 1800, 248, 503, 0),
    ),
    (
        "with nothing cached in Anthropic's names and something in OpenAI's",
        chat(50, 5, prompt_tokens_details={"cached_tokens": 40}, cache_read_input_tokens=0, cache_creation_input_tokens=0),
        (50, 40, 0, 5, 0),
    ),
    (
        "with nothing cached in OpenAI's place, and a total that shows Anthropic's inside",
        chat(10, 5, total_tokens=15, prompt_tokens_details={"cached_tokens": 0}, cache_read_input_tokens=4),
        (10, 4, 0, 5, 0),
    ),
    ("beside the responses shape that says the same", chat(10, 5, **responses(10, 5)), (10, 0, 0, 5, 0)),
    (
        "beside a responses shape without details",
        chat(10, 5, **responses(10, 5), prompt_tokens_details={"cached_tokens": 8}, input_tokens_details=None),
        (10, 8, 0, 5, 0),
    ),
    (
        "without a completion, and with a cache that no embedding has",
        {"prompt_tokens": 10, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 3}},
        (10, 3, 0, 0, 0),
    ),
    ("of the largest counts", chat(MOST, MOST), (MOST, 0, 0, MOST, 0)),
]


@pytest.mark.parametrize(("said", "counts"), [case[1:] for case in OPENAI_CHAT], ids=[case[0] for case in OPENAI_CHAT])
def test_openai_chat_usage(said: dict[str, Any], counts: tuple[int, ...]) -> None:
    assert inferred(said) == "openai.chat"
    assert counted(said) == counted(said, "openai.chat") == counts


OPENAI_RESPONSES = [
    ("with both counts only", responses(36, 87), (36, 0, 0, 87, 0)),
    (
        "with all details",
        responses(
            2006,
            300,
            total_tokens=2306,
            input_tokens_details={"cached_tokens": 1920, "cache_write_tokens": 80},
            output_tokens_details={"reasoning_tokens": 192},
        ),
        (2006, 1920, 80, 300, 192),
    ),
    ("with details of null", responses(3, 4, input_tokens_details=None, output_tokens_details=None), (3, 0, 0, 4, 0)),
    ("of an embedding", {"input_tokens": 8, "total_tokens": 8}, (8, 0, 0, 0, 0)),
    (
        "with nothing cached in Anthropic's names",
        responses(50, 5, input_tokens_details={"cached_tokens": 40}, cache_read_input_tokens=0),
        (50, 40, 0, 5, 0),
    ),
    (
        "with cached tokens in both places, and a total that shows them inside",
        responses(50, 5, total_tokens=55, input_tokens_details={"cached_tokens": 40}, cache_read_input_tokens=40),
        (50, 40, 0, 5, 0),
    ),
]


@pytest.mark.parametrize(
    ("said", "counts"), [case[1:] for case in OPENAI_RESPONSES], ids=[case[0] for case in OPENAI_RESPONSES]
)
def test_openai_responses_usage(said: dict[str, Any], counts: tuple[int, ...]) -> None:
    assert inferred(said) == "openai.responses"
    assert counted(said) == counted(said, "openai.responses") == counts


ANTHROPIC = [
    ("without a cache", responses(50, 503, cache_read_input_tokens=0, cache_creation_input_tokens=0), (50, 0, 0, 503, 0)),
    (
        "with nulls",
        responses(50, 503, cache_read_input_tokens=0, cache_creation_input_tokens=None, cache_creation=None),
        (50, 0, 0, 503, 0),
    ),
    (
        "as Anthropic documents it",
        responses(
            50,
            503,
            cache_read_input_tokens=1800,
            cache_creation_input_tokens=248,
            cache_creation={"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
            server_tool_use={"web_search_requests": 0},
            service_tier="standard",
        ),
        (2098, 1800, 248, 503, 0),
    ),
    (
        "with the parts of cache writes only",
        responses(1, 2, cache_creation={"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 40}),
        (71, 0, 70, 2, 0),
    ),
    ("with one part", responses(1, 2, cache_creation={"ephemeral_1h_input_tokens": 40}), (41, 0, 40, 2, 0)),
    (
        "with parts of null beside a sum",
        responses(1, 2, cache_creation_input_tokens=9, cache_creation={"ephemeral_5m_input_tokens": None}),
        (10, 0, 9, 2, 0),
    ),
    ("with a total of all four", responses(50, 503, cache_read_input_tokens=1800, total_tokens=2353), (1850, 1800, 0, 503, 0)),
    (
        "with cached tokens in both places, and a total that shows them outside",
        responses(50, 5, total_tokens=95, input_tokens_details={"cached_tokens": 40}, cache_read_input_tokens=40),
        (90, 40, 0, 5, 0),
    ),
    ("with more cached than uncached", responses(4, 1, cache_read_input_tokens=100_000), (100_004, 100_000, 0, 1, 0)),
    ("that just fits", responses(MOST - 1, 0, cache_read_input_tokens=1), (MOST, 1, 0, 0, 0)),
]


@pytest.mark.parametrize(("said", "counts"), [case[1:] for case in ANTHROPIC], ids=[case[0] for case in ANTHROPIC])
def test_anthropic_usage(said: dict[str, Any], counts: tuple[int, ...]) -> None:
    assert inferred(said) == "anthropic"
    assert counted(said) == counted(said, "anthropic") == counts


COMPACTED = responses(
    23_000,
    1_000,
    iterations=[
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
    ],
)
MORE_OF_ANTHROPIC = [
    (
        "with writes for an hour",
        responses(3, 12, cache_creation_input_tokens=5424, cache_creation={"ephemeral_1h_input_tokens": 5424}),
        (5427, 0, 5424, 12, 0),
        {"cache_write_1h": 5424},
    ),
    (
        "with writes of both lifetimes",
        responses(50, 5, cache_creation={"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100}),
        (298, 0, 248, 5, 0),
        {"cache_write_1h": 100},
    ),
    ("with compaction, which the top level leaves out", COMPACTED, (203_000, 0, 0, 4_500, 0), {}),
    (
        "with compaction that used the cache",
        responses(
            10,
            5,
            cache_read_input_tokens=20,
            iterations=[
                {
                    "type": "compaction",
                    "input_tokens": 100,
                    "output_tokens": 7,
                    "cache_read_input_tokens": 1000,
                    "cache_creation_input_tokens": 30,
                    "cache_creation": {"ephemeral_1h_input_tokens": 30},
                },
                {"type": "compaction", "input_tokens": 1, "output_tokens": 1},
            ],
        ),
        (1161, 1020, 30, 13, 0),
        {"cache_write_1h": 30},
    ),
    (
        "with a fallback that was declined",
        responses(10, 5, iterations=[{"type": "fallback", "input_tokens": 99, "output_tokens": 9}]),
        (10, 0, 0, 5, 0),
        {},
    ),
    (
        "with searches, and pages that were fetched",
        responses(105, 6039, cache_read_input_tokens=0, server_tool_use={"web_search_requests": 2, "web_fetch_requests": 3}),
        (105, 0, 0, 6039, 0),
        {"web_search": 2},
    ),
    ("with thinking", responses(5, 90, speed="standard", output_tokens_details={"thinking_tokens": 80}), (5, 0, 0, 90, 80), {}),
]


@pytest.mark.parametrize(
    ("said", "counts", "beside"), [case[1:] for case in MORE_OF_ANTHROPIC], ids=[case[0] for case in MORE_OF_ANTHROPIC]
)
def test_what_else_anthropic_bills(said: dict[str, Any], counts: tuple[int, ...], beside: dict[str, int]) -> None:
    assert inferred(said) == "anthropic"
    assert (counted(said), others_in(said)) == (counts, beside)


SERVED = {"type": "fallback_message", "input_tokens": 412, "output_tokens": 264}
DECLINED = {"type": "message", "input_tokens": 408, "output_tokens": 0}


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        # Anthropic's top level is the attempt that served; LiteLLM writes the sum of all.
        (responses(412, 264, cache_read_input_tokens=0, iterations=[DECLINED, SERVED]), (412, 0, 0, 264, 0)),
        (chat(820, 264, total_tokens=1084, iterations=[DECLINED, SERVED]), (412, 0, 0, 264, 0)),
        (chat(412, 264, total_tokens=676, iterations=[DECLINED, SERVED]), (412, 0, 0, 264, 0)),
        (chat(412, 264, total_tokens=676, iterations=[SERVED]), (412, 0, 0, 264, 0)),
        (
            chat(
                831,
                271,
                prompt_tokens_details={"cached_tokens": 6, "cache_creation_tokens": 5},
                iterations=[
                    DECLINED | {"cache_read_input_tokens": 2, "cache_creation_input_tokens": 5},
                    SERVED | {"cache_read_input_tokens": 1},
                    {"type": "compaction", "input_tokens": 0, "output_tokens": 7, "cache_read_input_tokens": 3},
                ],
            ),
            (416, 4, 0, 271, 0),
        ),
    ],
)
def test_a_declined_fallback_is_billed_at_no_endpoint(said: dict[str, Any], counts: tuple[int, ...]) -> None:
    assert counted(said) == counts


@pytest.mark.parametrize(
    "said",
    [
        chat(820, 270, iterations=[DECLINED | {"output_tokens": 6}, SERVED]),
        chat(830, 264, iterations=[DECLINED | {"cache_read_input_tokens": 10}, SERVED]),
    ],
)
def test_a_sum_that_does_not_tell_what_was_declined_is_held(said: dict[str, Any]) -> None:
    assert refusal(said) == (
        "usage_inconsistent",
        "The usage contradicts itself: it adds up all iterations, and does not say which of them a fallback replaced.",
    )


def test_without_cache_names_anthropic_and_responses_count_the_same() -> None:
    assert counted(responses(50, 503), "anthropic") == counted(responses(50, 503), "openai.responses") == (50, 0, 0, 503, 0)
