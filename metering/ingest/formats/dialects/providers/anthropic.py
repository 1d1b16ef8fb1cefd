"""Anthropic's messages: cached tokens, read and written, are beside the input; writes for an hour are a part of the writes."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.inclusive import CACHE_LEAVES, TOOL_LEAVES, written_tokens
from metering.ingest.formats.dialects.providers.compaction import COMPACTION_LEAVES, compaction_of, with_compaction
from metering.ingest.formats.dialects.shape import (
    CHECK,
    INFORMATION,
    INPUT,
    OUTPUT,
    REASONING,
    Dialect,
    Meaning,
    agreed,
    bounded,
    inconsistent,
    missing,
    tally,
)

THINKING = "output_tokens_details.thinking_tokens"
REASONING_PATHS = ("output_tokens_details.reasoning_tokens", THINKING)
LEAVES: dict[str, Meaning] = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    **CACHE_LEAVES,
    **TOOL_LEAVES,
    **COMPACTION_LEAVES,
    **dict.fromkeys(REASONING_PATHS, REASONING),
    "input_tokens_details.cached_tokens": CHECK,
    "input_tokens_details.cache_write_tokens": CHECK,
    "total_tokens": CHECK,
    "cost": INFORMATION,
}
PARTS = ("cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens")
OWN = ("cache_read_input_tokens", "cache_creation_input_tokens", "speed", "inference_geo", *PARTS)


def _recognises(usage: Usage) -> bool:
    """OpenAI's responses share two names with it, and differ in whether cached tokens are in the first."""
    if not usage.states("input_tokens") or usage.states("prompt_tokens"):
        return False
    if not usage.states(*OWN) and not usage.under("server_tool_use.") and "iterations" not in usage.lists:
        return False
    if not usage.under("input_tokens_details."):
        return True
    beside = usage.of("cache_read_input_tokens") + _written(usage)
    if not beside:
        return False
    # Both shapes' details, and tokens in the cache: only the total tells whether those are inside input_tokens.
    inside = usage.of("input_tokens") + usage.of("output_tokens")
    if usage.get("total_tokens") == inside:
        return False
    if usage.get("total_tokens") == inside + beside:
        return True
    raise inconsistent(
        "it has cached tokens in OpenAI's and in Anthropic's place, and no total to tell which is right: name the dialect"
    )


def _written(usage: Usage) -> int:
    """What is stated as written, before it is seen whether all of that agrees."""
    whole = usage.get("cache_creation_input_tokens")
    return sum(usage.of(part) for part in PARTS) if whole is None else whole


def _count(usage: Usage) -> Counts | Reading:
    uncached, output = usage.get("input_tokens"), usage.get("output_tokens")
    if uncached is None:
        raise missing("input_tokens")
    if output is None:
        raise missing("output_tokens")
    cached, written = usage.of("cache_read_input_tokens"), written_tokens(usage)
    input = bounded(uncached + cached + written, "input tokens")
    if usage.get("total_tokens") not in (None, input + output):
        raise inconsistent(
            f"total_tokens is {usage.of('total_tokens')}, but input_tokens {uncached}, {cached} cached, "
            f"{written} cache-write and output_tokens {output} add up to {input + output}"
        )
    if usage.of("input_tokens_details.cached_tokens") not in (0, cached):
        raise inconsistent(f"cache_read_input_tokens is {cached}, but input_tokens_details has other cached tokens")
    if usage.of("input_tokens_details.cache_write_tokens") not in (0, written):
        raise inconsistent(f"cache writes are {written}, but input_tokens_details has others")
    read = tally(
        input,
        output,
        cached,
        written,
        agreed(usage, *REASONING_PATHS) or 0,
        names=("input", "output_tokens"),
        cache_write_1h=usage.of(PARTS[1]),
        web_search=usage.of("server_tool_use.web_search_requests"),
    )
    return with_compaction(read, compaction_of(usage))


DIALECT = Dialect("anthropic", _recognises, _count, LEAVES, precedence=10)
