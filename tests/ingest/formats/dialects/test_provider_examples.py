"""Other providers' shapes, as their documentation has them: what each example counts, to the token."""

from typing import Any

import pytest

from tests.ingest.formats.usages import chat, counted, inferred, others_in, refusal, responses

Example = tuple[str, dict[str, Any], tuple[int, ...], dict[str, int]]


def hit(prompt: int, hit: int, completion: int, **more: Any) -> dict[str, Any]:
    cache = {"prompt_cache_hit_tokens": hit, "prompt_cache_miss_tokens": prompt - hit}
    return chat(prompt, completion, total_tokens=prompt + completion, **cache, **more)


def details(**parts: Any) -> dict[str, Any]:
    return {"prompt_tokens_details": parts}


DEEPSEEK: list[Example] = [
    ("of the first request", hit(14, 0, 10), (14, 0, 0, 10, 0), {}),
    ("with most of it cached", hit(100_000, 95_000, 1000), (100_000, 95_000, 0, 1000, 0), {}),
    ("with all of it cached", hit(64, 64, 3), (64, 64, 0, 3, 0), {}),
    (
        "of the reasoner",
        hit(20, 0, 300, completion_tokens_details={"reasoning_tokens": 250}),
        (20, 0, 0, 300, 250),
        {},
    ),
    ("with OpenAI's details beside", hit(1000, 640, 50, **details(cached_tokens=640)), (1000, 640, 0, 50, 0), {}),
    ("with the hits only", chat(1000, 50, prompt_cache_hit_tokens=640), (1000, 640, 0, 50, 0), {}),
]
MOONSHOT: list[Example] = [
    ("with most of it cached", chat(19_000, 21, total_tokens=19_021, cached_tokens=18_000), (19_000, 18_000, 0, 21, 0), {}),
    ("with nothing cached", chat(19, 21, total_tokens=40, cached_tokens=0), (19, 0, 0, 21, 0), {}),
    ("with all of it cached", chat(256, 5, cached_tokens=256), (256, 256, 0, 5, 0), {}),
    (
        "with OpenAI's details that say the same",
        chat(300, 5, cached_tokens=256, **details(cached_tokens=256)),
        (300, 256, 0, 5, 0),
        {},
    ),
    (
        "of Kimi thinking",
        chat(300, 90, cached_tokens=1, completion_tokens_details={"reasoning_tokens": 80}),
        (300, 1, 0, 90, 80),
        {},
    ),
    ("with details of null", chat(300, 5, cached_tokens=9, prompt_tokens_details=None), (300, 9, 0, 5, 0), {}),
]
QWEN: list[Example] = [
    (
        "that wrote the cache, in OpenAI's shape",
        chat(
            2000,
            100,
            total_tokens=2100,
            **details(
                cached_tokens=0,
                cache_creation_input_tokens=1889,
                cache_creation={"ephemeral_5m_input_tokens": 1889},
                cache_type="ephemeral",
            ),
        ),
        (2000, 0, 1889, 100, 0),
        {},
    ),
    (
        "that read the cache",
        chat(2000, 100, **details(cached_tokens=1889, cache_creation_input_tokens=0, cache_type="ephemeral")),
        (2000, 1889, 0, 100, 0),
        {},
    ),
    (
        "that read and wrote",
        chat(3000, 5, **details(cached_tokens=1889, cache_creation_input_tokens=1000)),
        (3000, 1889, 1000, 5, 0),
        {},
    ),
    (
        "in DashScope's own shape",
        responses(3019, 104, total_tokens=3123, **details(cached_tokens=2048)),
        (3019, 2048, 0, 104, 0),
        {},
    ),
    (
        "in DashScope's own shape, with a search",
        responses(1200, 80, total_tokens=1280, plugins={"search": {"count": 1, "strategy": "turbo"}}),
        (1200, 0, 0, 80, 0),
        {"web_search": 1},
    ),
    (
        "of Omni, with audio and an image",
        chat(500, 60, **details(text_tokens=20, audio_tokens=80, image_tokens=400, cached_tokens=0, cache_type="implicit")),
        (500, 0, 0, 60, 0),
        {"audio_input": 80, "image_input": 400},
    ),
    (
        "of the responses endpoint, with the same once more by kind of billing",
        responses(
            30,
            5,
            total_tokens=35,
            input_tokens_details={"cached_tokens": 0},
            x_details=[{"input_tokens": 30, "output_tokens": 5, "total_tokens": 35, "x_billing_type": "response_api"}],
        ),
        (30, 0, 0, 5, 0),
        {},
    ),
]
BEDROCK: list[Example] = [
    ("of Converse", {"inputTokens": 125, "outputTokens": 60, "totalTokens": 185}, (125, 0, 0, 60, 0), {}),
    (
        "that wrote the cache",
        {
            "inputTokens": 10,
            "outputTokens": 60,
            "totalTokens": 1570,
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 1500,
        },
        (1510, 0, 1500, 60, 0),
        {},
    ),
    (
        "that read it, with a total that leaves the cached out",
        {"inputTokens": 10, "outputTokens": 60, "totalTokens": 70, "cacheReadInputTokens": 1500, "cacheWriteInputTokens": 0},
        (1510, 1500, 0, 60, 0),
        {},
    ),
    (
        "with both names of each count",
        {
            "inputTokens": 4,
            "outputTokens": 6,
            "cacheReadInputTokens": 5,
            "cacheReadInputTokenCount": 5,
            "cacheWriteInputTokens": 7,
            "cacheWriteInputTokenCount": 7,
        },
        (16, 5, 7, 6, 0),
        {},
    ),
    (
        "with writes for an hour",
        {
            "inputTokens": 4,
            "outputTokens": 6,
            "cacheWriteInputTokens": 300,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 100}],
        },
        (304, 0, 300, 6, 0),
        {"cache_write_1h": 200},
    ),
    (
        "with tools of the server that were not used",
        {"inputTokens": 1, "outputTokens": 2, "serverToolUsage": {}},
        (1, 0, 0, 2, 0),
        {},
    ),
    ("of an embedding", {"inputTokens": 12, "totalTokens": 12}, (12, 0, 0, 0, 0), {}),
]
COHERE: list[Example] = [
    (
        "of chat, whose billed units leave the preamble out",
        {"billed_units": {"input_tokens": 5, "output_tokens": 418}, "tokens": {"input_tokens": 71, "output_tokens": 418}},
        (5, 0, 0, 418, 0),
        {},
    ),
    (
        "with whole numbers that have a fraction",
        {
            "billed_units": {"input_tokens": 30.0, "output_tokens": 26.0},
            "tokens": {"input_tokens": 1226.0, "output_tokens": 26.0},
        },
        (30, 0, 0, 26, 0),
        {},
    ),
    ("of an embedding", {"billed_units": {"input_tokens": 2}}, (2, 0, 0, 0, 0), {}),
    ("of a reranking", {"billed_units": {"search_units": 1.0}}, (0, 0, 0, 0, 0), {"search_unit": 1}),
    (
        "as it stands in meta",
        {"api_version": {"version": "2", "is_experimental": False}, "billed_units": {"search_units": 3}},
        (0, 0, 0, 0, 0),
        {"search_unit": 3},
    ),
    (
        "of an embedded image",
        {"billed_units": {"images": 1, "image_tokens": 1028, "input_tokens": 0}},
        (1028, 0, 0, 0, 0),
        {"image_input": 1028},
    ),
    ("of images that are billed by the piece", {"billed_units": {"images": 3}}, (0, 0, 0, 0, 0), {"image": 3}),
    (
        "of a classification",
        {"api_version": {"version": "1"}, "billed_units": {"classifications": 2}},
        (0, 0, 0, 0, 0),
        {"classification": 2},
    ),
    ("of nothing", {"billed_units": {"input_tokens": 0, "output_tokens": 0}}, (0, 0, 0, 0, 0), {}),
]
MISTRAL: list[Example] = [
    (
        "of a chat, which heard nothing",
        chat(16, 34, total_tokens=50, prompt_audio_seconds=0),
        (16, 0, 0, 34, 0),
        {},
    ),
    (
        "of Voxtral, whose total has the tokens of the audio",
        chat(4, 635, total_tokens=3264, prompt_audio_seconds=203),
        (4, 0, 0, 635, 0),
        {"audio_duration": 203_000},
    ),
    ("of a transcription", chat(8, 4, prompt_audio_seconds=3), (8, 0, 0, 4, 0), {"audio_duration": 3_000}),
    ("of silence", {"prompt_audio_seconds": 2}, (0, 0, 0, 0, 0), {"audio_duration": 2_000}),
    (
        "with cached tokens under each of its names",
        chat(900, 3, total_tokens=903, num_cached_tokens=896, prompt_token_details={"cached_tokens": 896}),
        (900, 896, 0, 3, 0),
        {},
    ),
    ("with cached tokens in the singular", chat(900, 3, prompt_token_details={"cached_tokens": 5}), (900, 5, 0, 3, 0), {}),
]
TIMES = {"queue_time": 0.009, "prompt_time": 0.0029, "completion_time": 0.57, "total_time": 0.58}
GROQ: list[Example] = [
    ("of Llama", chat(24, 377, total_tokens=401, **TIMES), (24, 0, 0, 377, 0), {}),
    ("with a cache", chat(4641, 18, total_tokens=4659, **details(cached_tokens=4608), **TIMES), (4641, 4608, 0, 18, 0), {}),
    (
        "with reasoning",
        chat(100, 500, completion_tokens_details={"reasoning_tokens": 400}, **TIMES),
        (100, 0, 0, 500, 400),
        {},
    ),
    ("without a wait", chat(1, 1, queue_time=0, total_time=0), (1, 0, 0, 1, 0), {}),
    ("with times of whole seconds", chat(1, 1, queue_time=1, total_time=12), (1, 0, 0, 1, 0), {}),
    ("with some of the times", chat(3, 4, total_time=0.1), (3, 0, 0, 4, 0), {}),
]
PERPLEXITY: list[Example] = [
    ("of sonar", chat(14, 10, total_tokens=24, search_context_size="low", cost={"total_cost": 0.005}), (14, 0, 0, 10, 0), {}),
    (
        "of deep research",
        chat(33, 7163, total_tokens=7196, citation_tokens=20_016, num_search_queries=18, reasoning_tokens=73_997),
        (33, 0, 0, 81_160, 73_997),
        {"web_search": 18, "citation": 20_016},
    ),
    (
        "with a total of all",
        chat(10, 5, total_tokens=25, citation_tokens=3, num_search_queries=2, reasoning_tokens=7),
        (10, 0, 0, 12, 7),
        {"web_search": 2, "citation": 3},
    ),
    (
        "with a total that has the reasoning",
        chat(10, 5, total_tokens=22, citation_tokens=3, reasoning_tokens=7),
        (10, 0, 0, 12, 7),
        {"citation": 3},
    ),
    ("with a search", chat(10, 5, num_search_queries=1), (10, 0, 0, 5, 0), {"web_search": 1}),
    (
        "with what it cost",
        chat(8, 439, cost={"input_tokens_cost": 0.0, "output_tokens_cost": 0.007, "request_cost": 0.006, "total_cost": 0.013}),
        (8, 0, 0, 439, 0),
        {},
    ),
]
VOYAGE: list[Example] = [
    ("of an embedding", {"total_tokens": 10}, (10, 0, 0, 0, 0), {}),
    ("of a reranking", {"total_tokens": 26}, (26, 0, 0, 0, 0), {}),
    ("of nothing", {"total_tokens": 0}, (0, 0, 0, 0, 0), {}),
    ("of text and an image", {"text_tokens": 5, "image_pixels": 2_000_000, "total_tokens": 3576}, (3576, 0, 0, 0, 0), {}),
    ("of a video", {"text_tokens": 5, "video_pixels": 9_000_000, "total_tokens": 8041}, (8041, 0, 0, 0, 0), {}),
    ("of a whole batch", {"total_tokens": 120_000}, (120_000, 0, 0, 0, 0), {}),
]
COST = {"cost": 0.00078593, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.00078593}}
NO_AUDIO = {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0, "video_tokens": 0}
OPENROUTER: list[Example] = [
    ("with costs beside", chat(4088, 1851, total_tokens=5939, **details(**NO_AUDIO), **COST), (4088, 0, 0, 1851, 0), {}),
    (
        "with a cache",
        chat(194, 2, total_tokens=196, **details(cached_tokens=0, cache_write_tokens=100), **COST),
        (194, 0, 100, 2, 0),
        {},
    ),
    (
        "with a search",
        chat(6883, 230, total_tokens=7113, server_tool_use={"web_search_requests": 1}, **COST),
        (6883, 0, 0, 230, 0),
        {"web_search": 1},
    ),
    (
        "with reasoning",
        chat(8880, 2359, completion_tokens_details={"reasoning_tokens": 266, "image_tokens": 0}, **COST),
        (8880, 0, 0, 2359, 266),
        {},
    ),
    (
        "by one's own key",
        chat(10, 20, cost=0.0000005, is_byok=True, cost_details={"upstream_inference_cost": 0.00001}),
        (10, 0, 0, 20, 0),
        {},
    ),
    (
        "that made an image",
        chat(10, 1300, completion_tokens_details={"image_tokens": 1290}, **COST),
        (10, 0, 0, 1300, 0),
        {"image_output": 1290},
    ),
]
VLLM: list[Example] = [
    ("with a cache", chat(1000, 5, total_tokens=1005, num_cached_tokens=992), (1000, 992, 0, 5, 0), {}),
    ("without one", chat(1000, 5, num_cached_tokens=0), (1000, 0, 0, 5, 0), {}),
    (
        "with OpenAI's details that say the same",
        chat(1000, 5, num_cached_tokens=16, **details(cached_tokens=16)),
        (1000, 16, 0, 5, 0),
        {},
    ),
    ("of a prompt that is all cached", chat(16, 5, num_cached_tokens=16), (16, 16, 0, 5, 0), {}),
    (
        "with reasoning",
        chat(9, 50, num_cached_tokens=0, completion_tokens_details={"reasoning_tokens": 40}),
        (9, 0, 0, 50, 40),
        {},
    ),
    (
        "of a pooling model",
        {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7, "num_cached_tokens": 0},
        (7, 0, 0, 0, 0),
        {},
    ),
]
ALL = {
    "deepseek": DEEPSEEK,
    "moonshot": MOONSHOT,
    "qwen": QWEN,
    "bedrock": BEDROCK,
    "cohere": COHERE,
    "mistral": MISTRAL,
    "groq": GROQ,
    "perplexity": PERPLEXITY,
    "voyage": VOYAGE,
    "openrouter": OPENROUTER,
    "vllm": VLLM,
}
CASES = [(dialect, *example[1:]) for dialect, examples in ALL.items() for example in examples]
NAMES = [f"{dialect} {example[0]}" for dialect, examples in ALL.items() for example in examples]


@pytest.mark.parametrize(("dialect", "said", "counts", "beside"), CASES, ids=NAMES)
def test_an_example_counts_what_it_states(
    dialect: str, said: dict[str, Any], counts: tuple[int, ...], beside: dict[str, int]
) -> None:
    assert inferred(said) == dialect
    assert counted(said) == counted(said, dialect) == counts
    assert others_in(said) == others_in(said, dialect) == beside


def test_every_dialect_has_six_examples() -> None:
    assert [dialect for dialect, examples in ALL.items() if len(examples) < 6] == []


@pytest.mark.parametrize(
    "said",
    [
        hit(1000, 640, 50, **details(cached_tokens=641)),
        chat(1000, 50, prompt_cache_hit_tokens=640, prompt_cache_miss_tokens=361),
        chat(300, 5, cached_tokens=256, **details(cached_tokens=255)),
        chat(300, 5, **details(cache_creation_input_tokens=3, cache_creation={"ephemeral_5m_input_tokens": 4})),
        {"inputTokens": 4, "outputTokens": 6, "cacheReadInputTokens": 5, "cacheReadInputTokenCount": 6},
        {"inputTokens": 4, "outputTokens": 6, "totalTokens": 11},
        {"inputTokens": 4, "outputTokens": 6, "cacheWriteInputTokens": 3, "cacheDetails": [{"ttl": "1h", "inputTokens": 2}]},
        chat(4, 635, total_tokens=638, prompt_audio_seconds=203),
        chat(10, 5, total_tokens=16, citation_tokens=3),
        chat(1000, 5, num_cached_tokens=1001),
        chat(500, 60, **details(audio_tokens=80, cached_tokens=450, cache_type="implicit")),
    ],
)
def test_parts_that_do_not_agree_are_held(said: dict[str, Any]) -> None:
    assert refusal(said)[0] == "usage_inconsistent"


def test_a_whole_number_with_a_fraction_is_one_only_where_a_provider_writes_so() -> None:
    assert counted({"billed_units": {"input_tokens": 30.0}}) == (30, 0, 0, 0, 0)
    assert refusal({"billed_units": {"input_tokens": 30.5}}) == (
        "invalid_event",
        "Expected `int | null`, got `float` - at `$.usage.billed_units.input_tokens`",
    )
    assert refusal(chat(30, 1) | {"prompt_tokens": 30.0})[0] == "invalid_event"  # type: ignore[dict-item]
