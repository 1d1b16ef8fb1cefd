"""Anthropic's messages: cached tokens, read and written, are beside the input; writes for an hour are a part of the writes."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.anthropics_names import (
    CACHE_LEAVES,
    LONG_WRITES,
    READS,
    SEARCHES,
    SHORT_WRITES,
    TOOL_LEAVES,
    WRITES,
    written_tokens,
)
from metering.ingest.formats.dialects.iterations import COMPACTION_LEAVES, compaction_of, with_compaction
from metering.ingest.formats.dialects.leaves import Usage
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
    check_total,
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
OWN = (*CACHE_LEAVES, "speed", "inference_geo")


def _recognises(usage: Usage) -> bool:
    """OpenAI's responses share two names with it, and differ in whether cached tokens are in the first."""
    if not usage.states("input_tokens") or usage.states("prompt_tokens"):
        return False
    if not usage.states(*OWN) and not usage.under("server_tool_use.") and "iterations" not in usage.lists:
        return False
    if not usage.under("input_tokens_details."):
        return True
    beside = usage.of(READS) + _written(usage)
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
    whole = usage.get(WRITES)
    return usage.of(SHORT_WRITES) + usage.of(LONG_WRITES) if whole is None else whole


def _count(usage: Usage) -> Counts | Reading:
    uncached, output = usage.get("input_tokens"), usage.get("output_tokens")
    if uncached is None:
        raise missing("input_tokens")
    if output is None:
        raise missing("output_tokens")
    cached, written = usage.of(READS), written_tokens(usage)
    input = bounded(uncached + cached + written, "input tokens")
    parts = f"input_tokens {uncached}, {cached} cached, {written} cache-write and output_tokens {output}"
    check_total(usage, "total_tokens", parts, input + output)
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
        cache_write_1h=usage.of(LONG_WRITES),
        web_search=usage.of(SEARCHES),
    )
    return with_compaction(read, compaction_of(usage))


DIALECT = Dialect("anthropic", _recognises, _count, LEAVES, precedence=10)
