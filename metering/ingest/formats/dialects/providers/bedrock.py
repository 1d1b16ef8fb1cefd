"""Bedrock: cached tokens, read and written, are beside the input tokens; the total may leave them out.

Converse has a usage object; the metrics of what is invoked count the same by other names.
"""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.anthropics_names import check_writes
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    CACHE_WRITE,
    CACHE_WRITE_1H,
    CACHED_INPUT,
    CHECK,
    INFORMATION,
    INPUT,
    OUTPUT,
    Dialect,
    Meaning,
    agreed,
    bounded,
    check_total,
    missing,
    tally,
)

INPUTS, OUTPUTS = ("inputTokens", "inputTokenCount"), ("outputTokens", "outputTokenCount")
READ = ("cacheReadInputTokens", "cacheReadInputTokenCount")
WRITTEN = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")
SHORT, LONG = "cacheDetails[5m].inputTokens", "cacheDetails[1h].inputTokens"
LEAVES: dict[str, Meaning] = {
    **dict.fromkeys(INPUTS, INPUT),
    **dict.fromkeys(OUTPUTS, OUTPUT),
    "totalTokens": CHECK,
    **dict.fromkeys(READ, CACHED_INPUT),
    **dict.fromkeys((*WRITTEN, SHORT), CACHE_WRITE),
    LONG: CACHE_WRITE_1H,
    "invocationLatency": INFORMATION,
    "firstByteLatency": INFORMATION,
}


def _recognises(usage: Usage) -> bool:
    return usage.states(*INPUTS, *OUTPUTS)


def _count(usage: Usage) -> Counts | Reading:
    uncached, output = agreed(usage, *INPUTS), agreed(usage, *OUTPUTS)
    if uncached is None:
        raise missing("inputTokens")
    if output is None:
        # An embedding has no output, and says so by its total.
        if usage.get("totalTokens") != uncached:
            raise missing("outputTokens")
        output = 0
    cached, written, split = agreed(usage, *READ) or 0, agreed(usage, *WRITTEN), usage.of(SHORT) + usage.of(LONG)
    if usage.states(SHORT, LONG):
        check_writes(split if written is None else written, split)
    written = split if written is None else written
    input = bounded(uncached + cached + written, "input tokens")
    parts = f"inputTokens {uncached}, {cached} cached, {written} cache-write and outputTokens {output}"
    check_total(usage, "totalTokens", parts, input + output, uncached + output)
    return tally(input, output, cached, written, cache_write_1h=usage.of(LONG))


DIALECT = Dialect("bedrock", _recognises, _count, LEAVES, precedence=90)
