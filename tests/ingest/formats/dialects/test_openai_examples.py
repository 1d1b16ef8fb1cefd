"""OpenAI's other shapes, as its documentation has them: what each example counts, to the token."""

from typing import Any

import pytest

from tests.ingest.formats.usages import counted, inferred, others_in, refusal

Example = tuple[str, dict[str, Any], tuple[int, ...], dict[str, int]]


def realtime(total: int, input: int, output: int, cached: dict[str, int] | None = None, **tokens: int) -> dict[str, Any]:
    details: dict[str, Any] = {
        "text_tokens": tokens["text"],
        "audio_tokens": tokens["audio"],
        "image_tokens": tokens.get("image", 0),
        "cached_tokens": sum((cached or {}).values()),
    }
    if cached is not None:
        details["cached_tokens_details"] = cached
    made = {"text_tokens": tokens["said"], "audio_tokens": output - tokens["said"]}
    return {
        "total_tokens": total,
        "input_tokens": input,
        "output_tokens": output,
        "input_token_details": details,
        "output_token_details": made,
    }


REALTIME: list[Example] = [
    (
        "of response.done, with a cached part of each modality",
        realtime(253, 132, 121, {"text_tokens": 64, "audio_tokens": 0}, text=119, audio=13, said=30),
        (132, 64, 0, 121, 0),
        {"audio_input": 13, "audio_output": 91},
    ),
    (
        "with cached audio, which is no audio input any more",
        realtime(1500, 1200, 300, {"text_tokens": 100, "audio_tokens": 700}, text=200, audio=1000, said=50),
        (1200, 800, 0, 300, 0),
        {"audio_input": 300, "cached_audio_input": 700, "audio_output": 250},
    ),
    (
        "with an image",
        realtime(1000, 900, 100, {"text_tokens": 0, "audio_tokens": 0}, text=100, audio=0, image=800, said=100),
        (900, 0, 0, 100, 0),
        {"image_input": 800},
    ),
    (
        "with a cached image",
        realtime(1000, 900, 100, {"text_tokens": 50, "image_tokens": 600}, text=100, audio=0, image=800, said=100),
        (900, 650, 0, 100, 0),
        {"image_input": 200, "cached_image_input": 600},
    ),
    (
        "of text only",
        realtime(9492, 8223, 1269, {"text_tokens": 8192, "audio_tokens": 0}, text=8223, audio=0, said=1269),
        (8223, 8192, 0, 1269, 0),
        {},
    ),
    ("without a cache", realtime(30, 20, 10, text=5, audio=15, said=10), (20, 0, 0, 10, 0), {"audio_input": 15}),
    (
        "cancelled before anything was said",
        realtime(20, 20, 0, text=5, audio=15, said=0),
        (20, 0, 0, 0, 0),
        {"audio_input": 15},
    ),
]
IMAGES: list[Example] = [
    (
        "of gpt-image-1, made from text and an image",
        {
            "total_tokens": 100,
            "input_tokens": 50,
            "output_tokens": 50,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        },
        (50, 0, 0, 50, 0),
        {"image_input": 40, "image_output": 50},
    ),
    (
        "made from text alone",
        {
            "total_tokens": 4187,
            "input_tokens": 27,
            "output_tokens": 4160,
            "input_tokens_details": {"text_tokens": 27, "image_tokens": 0},
        },
        (27, 0, 0, 4160, 0),
        {"image_output": 4160},
    ),
    (
        "of gpt-image-1.5, which writes text as well",
        {
            "total_tokens": 1800,
            "input_tokens": 600,
            "output_tokens": 1200,
            "input_tokens_details": {"text_tokens": 100, "image_tokens": 500},
            "output_tokens_details": {"text_tokens": 144, "image_tokens": 1056},
        },
        (600, 0, 0, 1200, 0),
        {"image_input": 500, "image_output": 1056},
    ),
    (
        "that says only what of the output is text",
        {
            "input_tokens": 10,
            "output_tokens": 300,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
            "output_tokens_details": {"text_tokens": 28},
        },
        (10, 0, 0, 300, 0),
        {"image_output": 272},
    ),
    (
        "with a cached image",
        {
            "input_tokens": 600,
            "output_tokens": 272,
            "input_tokens_details": {
                "text_tokens": 100,
                "image_tokens": 500,
                "cached_tokens": 400,
                "cached_tokens_details": {"text_tokens": 0, "image_tokens": 400},
            },
        },
        (600, 400, 0, 272, 0),
        {"image_input": 100, "cached_image_input": 400, "image_output": 272},
    ),
    (
        "of a preview that streams",
        {
            "total_tokens": 372,
            "input_tokens": 100,
            "output_tokens": 272,
            "input_tokens_details": {"text_tokens": 100, "image_tokens": 0},
        },
        (100, 0, 0, 272, 0),
        {"image_output": 272},
    ),
]
TRANSCRIPTION: list[Example] = [
    (
        "of gpt-4o-transcribe",
        {
            "type": "tokens",
            "input_tokens": 14,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
            "output_tokens": 45,
            "total_tokens": 59,
        },
        (14, 0, 0, 45, 0),
        {"audio_input": 14},
    ),
    (
        "with a prompt",
        {
            "type": "tokens",
            "input_tokens": 131,
            "input_token_details": {"text_tokens": 10, "audio_tokens": 121},
            "output_tokens": 24,
            "total_tokens": 155,
        },
        (131, 0, 0, 24, 0),
        {"audio_input": 121},
    ),
    ("without details", {"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18}, (14, 0, 0, 4, 0), {}),
    ("of whisper-1, by duration", {"type": "duration", "seconds": 27}, (0, 0, 0, 0, 0), {"audio_duration": 27_000}),
    ("with a fraction of a second", {"type": "duration", "seconds": 8.47}, (0, 0, 0, 0, 0), {"audio_duration": 8_470}),
    ("with more digits than milliseconds", {"type": "duration", "seconds": 1.2345}, (0, 0, 0, 0, 0), {"audio_duration": 1_235}),
    ("of silence", {"type": "duration", "seconds": 0}, (0, 0, 0, 0, 0), {}),
]
EMBEDDINGS: list[Example] = [
    ("of text-embedding-3", {"prompt_tokens": 8, "total_tokens": 8}, (8, 0, 0, 0, 0), {}),
    ("of several texts", {"prompt_tokens": 8191, "total_tokens": 8191}, (8191, 0, 0, 0, 0), {}),
    (
        "of Azure, with details of null",
        {"prompt_tokens": 5, "total_tokens": 5, "prompt_tokens_details": None},
        (5, 0, 0, 0, 0),
        {},
    ),
    (
        "of Jina, with what of it is text",
        {"total_tokens": 9, "prompt_tokens": 9, "prompt_tokens_details": {"text_tokens": 9}},
        (9, 0, 0, 0, 0),
        {},
    ),
    (
        "of an image",
        {"total_tokens": 600, "prompt_tokens": 600, "prompt_tokens_details": {"text_tokens": 8, "image_tokens": 592}},
        (600, 0, 0, 0, 0),
        {"image_input": 592},
    ),
    ("of nothing", {"prompt_tokens": 0, "total_tokens": 0}, (0, 0, 0, 0, 0), {}),
    ("with what it cost", {"prompt_tokens": 4, "total_tokens": 4, "cost": 0.00000008}, (4, 0, 0, 0, 0), {}),
]
ALL = {
    "openai.realtime": REALTIME,
    "openai.images": IMAGES,
    "openai.transcription": TRANSCRIPTION,
    "openai.embeddings": EMBEDDINGS,
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
    ("said", "message"),
    [
        (
            realtime(1500, 1200, 300, text=200, audio=1000, said=50)
            | {"input_token_details": {"text_tokens": 200, "audio_tokens": 1000, "cached_tokens": 800}},
            "it does not say which of 800 cached tokens are audio or image",
        ),
        (
            realtime(1500, 1200, 300, {"text_tokens": 0, "audio_tokens": 1001}, text=200, audio=1000, said=50),
            "its parts are more than their whole: audio_input -1",
        ),
        (
            realtime(1500, 1200, 300, text=200, audio=999, said=50),
            "the modalities in input_token_details add up to 1199, not to 1200",
        ),
        (realtime(1501, 1200, 300, text=200, audio=1000, said=50), "total_tokens is 1501"),
        (
            {
                "input_tokens": 600,
                "output_tokens": 272,
                "input_tokens_details": {"text_tokens": 100, "image_tokens": 500, "cached_tokens": 400},
            },
            "it does not say which of 400 cached tokens are image",
        ),
    ],
)
def test_parts_that_cannot_be_told_apart_are_held(said: dict[str, Any], message: str) -> None:
    code, reason = refusal(said)
    assert code == "usage_inconsistent"
    assert reason.startswith(f"The usage contradicts itself: {message}")
