"""Anthropic's iterations: what one response took in several steps.

The top level leaves out what compaction used, which is billed too. Iterations of messages are what the top level adds up. Where
a fallback served, the top level is its attempt alone: the attempts that were declined are messages beside it, and not billed.
What an advisor used costs another model's rates, so it is not understood here.

Some proxies write the sum of all iterations at the top. What the iterations say by themselves tells which.
"""

from typing import NamedTuple

from metering.components import Counts, Reading, read_of
from metering.ingest.formats.dialects.anthropics_names import (
    CACHE_LEAVES,
    LONG_WRITES,
    READS,
    SHORT_WRITES,
    WRITES,
    check_writes,
)
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    INFORMATION,
    INPUT,
    NO_NAMES,
    OUTPUT,
    PART,
    Meaning,
    inconsistent,
    tally,
)

STEP: dict[str, Meaning] = {"input_tokens": INPUT, "output_tokens": OUTPUT, **CACHE_LEAVES}
COMPACTION, MESSAGES, FALLBACK = "iterations[compaction].", "iterations[message].", "iterations[fallback_message]."
COMPACTION_LEAVES: dict[str, Meaning] = {
    **{COMPACTION + path: meaning for path, meaning in STEP.items()},
    **{f"{served}{path}": PART for served in (MESSAGES, FALLBACK) for path in STEP},
    **{f"iterations[fallback].{path}": INFORMATION for path in STEP},
}


class Steps(NamedTuple):
    """What iterations of one kind used; cached and written tokens are in the input."""

    input: int
    output: int
    cached: int
    written: int
    written_1h: int


def compaction_of(usage: Usage) -> Steps | None:
    """None where there was none."""
    if not usage.under(COMPACTION):
        return None
    used = _steps(usage, COMPACTION)
    short = usage.of(COMPACTION + SHORT_WRITES)
    if short or used.written_1h:
        check_writes(used.written, short, used.written_1h)
    return used


def _steps(usage: Usage, kind: str) -> Steps:
    own = {path: usage.of(kind + path) for path in STEP}
    cached, written = own[READS], own[WRITES]
    input = own["input_tokens"] + cached + written
    return Steps(input, own["output_tokens"], cached, written, own[LONG_WRITES])


def with_iterations(usage: Usage, read: Counts | Reading) -> Counts | Reading:
    """Counts that have the cached tokens inside, with what compaction used and without attempts that were declined.

    Raises UsageRefused where the iterations do not tell what was declined.
    """
    if not usage.under(COMPACTION, FALLBACK):
        return read
    compaction, messages, fallback = compaction_of(usage), _steps(usage, MESSAGES), _steps(usage, FALLBACK)
    everything = _sum(messages, fallback, compaction or NO_STEPS)
    if not usage.under(MESSAGES, FALLBACK) or not _is_added_up(read, everything):
        return with_compaction(read, compaction)
    if not usage.under(FALLBACK) or messages == NO_STEPS:
        return read
    counts, others = read_of(read)
    if messages.output or (counts.cached_input, counts.cache_write) != (everything.cached, everything.written):
        raise inconsistent("it adds up all iterations, and does not say which of them a fallback replaced")
    served = _sum(fallback, compaction or NO_STEPS)
    more = dict(others) | {"cache_write_1h": served.written_1h}
    return tally(served.input, served.output, served.cached, served.written, counts.reasoning, NO_NAMES, **more)


NO_STEPS = Steps(0, 0, 0, 0, 0)


def _sum(*steps: Steps) -> Steps:
    return Steps(*map(sum, zip(*steps, strict=True)))


def _is_added_up(read: Counts | Reading, everything: Steps) -> bool:
    """Whether these are the sum of all iterations; some leave the cached tokens out of it."""
    counts = read_of(read).counts
    apart = everything.input - everything.cached - everything.written
    return counts.output == everything.output and counts.input in (everything.input, apart)


def with_compaction(read: Counts | Reading, compaction: Steps | None) -> Counts | Reading:
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
