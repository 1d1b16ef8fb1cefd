"""Anthropic's iterations: what one response took in several steps.

The top level leaves out what compaction used, which is billed too. Iterations of messages are what the top level adds up;
a fallback that was declined is not billed. What an advisor used costs another model's rates, so it is not understood here.
"""

from typing import NamedTuple

from metering.components import Counts, Reading, read_of
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    CACHE_WRITE,
    CACHE_WRITE_1H,
    CACHED_INPUT,
    INFORMATION,
    INPUT,
    NO_NAMES,
    OUTPUT,
    PART,
    Meaning,
    inconsistent,
    tally,
)

STEP: dict[str, Meaning] = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    "cache_read_input_tokens": CACHED_INPUT,
    "cache_creation_input_tokens": CACHE_WRITE,
    "cache_creation.ephemeral_5m_input_tokens": CACHE_WRITE,
    "cache_creation.ephemeral_1h_input_tokens": CACHE_WRITE_1H,
}
COMPACTION = "iterations[compaction]."
COMPACTION_LEAVES: dict[str, Meaning] = {
    **{COMPACTION + path: meaning for path, meaning in STEP.items()},
    **{f"iterations[message].{path}": PART for path in STEP},
    **{f"iterations[{declined}].{path}": INFORMATION for declined in ("fallback", "fallback_message") for path in STEP},
}


MESSAGES = "iterations[message]."


class Compaction(NamedTuple):
    """What compaction used; cached and written tokens are in the input."""

    input: int
    output: int
    cached: int
    written: int
    written_1h: int


def compaction_of(usage: Usage) -> Compaction | None:
    """None where there was none."""
    if not usage.under(COMPACTION):
        return None
    own = {path: usage.of(COMPACTION + path) for path in STEP}
    short, long = own["cache_creation.ephemeral_5m_input_tokens"], own["cache_creation.ephemeral_1h_input_tokens"]
    written = own["cache_creation_input_tokens"]
    if (short or long) and short + long != written:
        raise inconsistent(f"the cache writes of compaction are {written}, but their parts add up to {short + long}")
    cached = own["cache_read_input_tokens"]
    return Compaction(own["input_tokens"] + cached + written, own["output_tokens"], cached, written, long)


def is_inside(usage: Usage, compaction: Compaction | None, read: Counts | Reading) -> bool:
    """Whether counts that have the cached tokens inside have what compaction used inside as well.

    Some proxies write the sum of all iterations at the top, where Anthropic leaves compaction out. What the messages used by
    themselves tells which.
    """
    if compaction is None or not usage.under(MESSAGES):
        return False
    counts = read_of(read).counts
    own = {path: usage.numbers.get(MESSAGES + path, 0) for path in STEP}
    uncached, output = own["input_tokens"], own["output_tokens"]
    cached = own["cache_read_input_tokens"] + own["cache_creation_input_tokens"]
    if counts.output != output + compaction.output:
        return False
    apart = compaction.input - compaction.cached - compaction.written
    return counts.input in (uncached + cached + compaction.input, uncached + apart)


def with_compaction(read: Counts | Reading, compaction: Compaction | None) -> Counts | Reading:
    """What the top level states and compaction used beside it."""
    if compaction is None:
        return read
    counts, others = read_of(read)
    more = dict(others)
    more["cache_write_1h"] = more.get("cache_write_1h", 0) + compaction.written_1h
    return tally(
        counts.input + compaction.input,
        counts.output + compaction.output,
        counts.cached_input + compaction.cached,
        counts.cache_write + compaction.written,
        counts.reasoning,
        NO_NAMES,
        **more,
    )
