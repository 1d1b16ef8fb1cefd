"""What OpenAI's two shapes have in common: the details are parts of the input and of the output."""

from typing import Protocol

import msgspec

from metering.components import Counts, Reading, new_counts
from metering.ingest.formats.dialects.anthropic import CacheCreation, one_hour_tokens, written_tokens
from metering.ingest.formats.dialects.shape import Tokens, inconsistent, missing, reading


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None


class InclusiveUsage(Protocol):
    """What both shapes may say beside their own names."""

    total_tokens: int | None
    cache_creation_input_tokens: int | None
    cache_read_input_tokens: int | None
    cache_creation: CacheCreation | None


def count_inclusive(
    usage: InclusiveUsage,
    input: int | None,
    input_details: InputDetails | None,
    output: int | None,
    output_details: OutputDetails | None,
    names: tuple[str, str],
) -> Counts | Reading:
    """Counts of a dialect whose details are parts of the input and output. Raises UsageRefused."""
    total = usage.total_tokens
    if input is None:
        raise missing(names[0])
    if output is None:
        # A response without output, such as an embedding, says so by its total.
        if total != input:
            raise missing(names[1])
        output = 0
    if total is not None and total != input + output:
        raise inconsistent(
            f"total_tokens is {total}, but {names[0]} {input} and {names[1]} {output} add up to {input + output}"
        )
    cached = cache_write = reasoning = 0
    if input_details is not None:
        cached = input_details.cached_tokens or 0
        cache_write = input_details.cache_write_tokens or 0
    if output_details is not None:
        reasoning = output_details.reasoning_tokens or 0
    if usage.cache_read_input_tokens or usage.cache_creation_input_tokens or usage.cache_creation is not None:
        cached, cache_write = _stated_twice(usage, input_details)
    if cached + cache_write > input:
        raise inconsistent(f"{cached} cached and {cache_write} cache-write tokens do not fit into {names[0]} {input}")
    if reasoning > output:
        raise inconsistent(f"{reasoning} reasoning tokens do not fit into {names[1]} {output}")
    counts = new_counts(input, output, cached, cache_write, reasoning)
    audio_input = (input_details is not None and input_details.audio_tokens) or 0
    audio_output = (output_details is not None and output_details.audio_tokens) or 0
    one_hour = one_hour_tokens(usage.cache_creation) if usage.cache_creation is not None and cache_write else 0
    if audio_input or audio_output or one_hour:
        others = {"audio_input": audio_input, "audio_output": audio_output, "cache_write_1h": one_hour}
        return reading(counts, others)
    return counts


def _stated_twice(usage: InclusiveUsage, details: InputDetails | None) -> tuple[int, int]:
    """Proxies such as LiteLLM give Anthropic's cached tokens in OpenAI's shape, and under Anthropic's names beside it.

    Under Anthropic's names alone, only a total that fits, which was checked before, shows that they are inside the input.
    """
    read, written = usage.cache_read_input_tokens or 0, written_tokens(usage)
    cached, cache_write = (details.cached_tokens, details.cache_write_tokens) if details is not None else (None, None)
    both_stated = (cached is not None or not read) and (cache_write is not None or not written)
    if cached in (None, read) and cache_write in (None, written) and (both_stated or usage.total_tokens is not None):
        return read, written
    if not read and not written:
        return cached or 0, cache_write or 0
    raise inconsistent(
        f"{cached or 0} cached and {cache_write or 0} cache-write tokens stand beside "
        f"cache_read_input_tokens {read} and cache_creation_input_tokens {written}"
    )
