"""OpenAI's responses: cached tokens are in the input, reasoning is in the output."""

from typing import Any

import msgspec

from metering.components import BY_NAME, Counts, Reading
from metering.ingest.formats.dialects.anthropic import CACHE_LEAVES, CacheCreation
from metering.ingest.formats.dialects.inclusive import InputDetails, OutputDetails, count_inclusive
from metering.ingest.formats.dialects.shape import (
    CACHE_WRITE,
    CACHED_INPUT,
    INPUT,
    OUTPUT,
    REASONING,
    Dialect,
    Meaning,
    Role,
    Tokens,
)


class ResponsesUsage(msgspec.Struct, gc=False):
    """Proxies add the cached tokens under Anthropic's names."""

    input_tokens: Tokens | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens: Tokens | None = None
    output_tokens_details: OutputDetails | None = None
    total_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None


LEAVES: dict[str, Meaning] = {
    "input_tokens": INPUT,
    "input_tokens_details.cached_tokens": CACHED_INPUT,
    "input_tokens_details.cache_write_tokens": CACHE_WRITE,
    "input_tokens_details.audio_tokens": BY_NAME["audio_input"],
    "output_tokens": OUTPUT,
    "output_tokens_details.audio_tokens": BY_NAME["audio_output"],
    "output_tokens_details.reasoning_tokens": REASONING,
    "total_tokens": Role.CHECK,
    **CACHE_LEAVES,
}


def _recognises(usage: Any) -> bool:
    return usage.input_tokens is not None


def _count(usage: ResponsesUsage) -> Counts | Reading:
    return count_inclusive(
        usage,
        usage.input_tokens,
        usage.input_tokens_details,
        usage.output_tokens,
        usage.output_tokens_details,
        ("input_tokens", "output_tokens"),
    )


DIALECT = Dialect("openai.responses", ResponsesUsage, _recognises, _count, LEAVES)
