"""Perplexity: responses with what they cost and which tools they called, of which searches are counted.

Its chats, which ended in September 2026, have reasoning beside the completion, and searches and citations that are billed too.
"""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Number, Usage
from metering.ingest.formats.dialects.openai import responses
from metering.ingest.formats.dialects.openai.inclusive import count_inclusive
from metering.ingest.formats.dialects.shape import (
    CACHE_WRITE,
    CACHED_INPUT,
    CHECK,
    CITATION,
    INFORMATION,
    INPUT,
    OUTPUT,
    PART,
    REASONING,
    WEB_SEARCH,
    Dialect,
    Meaning,
    agreed,
    bounded,
    inconsistent,
    missing,
    tally,
)

COSTS = (
    *("input_cost", "output_cost", "cache_creation_cost", "cache_read_cost", "tool_calls_cost"),
    *("input_tokens_cost", "output_tokens_cost", "reasoning_tokens_cost", "citation_tokens_cost"),
    *("search_queries_cost", "request_cost", "total_cost"),
)
# By its own name, and as LiteLLM says it again.
REASONING_PATHS = ("reasoning_tokens", "completion_tokens_details.reasoning_tokens")
SEARCHES = ("num_search_queries", "prompt_tokens_details.web_search_requests")
CALLED = tuple(f"tool_calls_details.{tool}.invocation" for tool in ("search_web", "web_search"))
READ, WRITTEN = "input_tokens_details.cache_read_input_tokens", "input_tokens_details.cache_creation_input_tokens"
LEAVES: dict[str, Meaning] = {
    **responses.LEAVES,
    READ: CACHED_INPUT,
    WRITTEN: CACHE_WRITE,
    **dict.fromkeys(CALLED, WEB_SEARCH),
    "prompt_tokens": INPUT,
    "completion_tokens": OUTPUT,
    "total_tokens": CHECK,
    **dict.fromkeys(REASONING_PATHS, REASONING),
    "completion_tokens_details.text_tokens": PART,
    "citation_tokens": CITATION,
    **dict.fromkeys(SEARCHES, WEB_SEARCH),
    **dict.fromkeys((f"cost.{name}" for name in COSTS), INFORMATION),
}


def _recognises(usage: Usage) -> bool:
    own = ("citation_tokens", "num_search_queries", "search_context_size")
    if usage.states("prompt_tokens"):
        return usage.states(*own) or usage.under("cost.")
    return usage.states("input_tokens") and usage.under("cost.")


def _count(usage: Usage) -> Counts | Reading:
    if usage.states("input_tokens") and not usage.states("prompt_tokens"):
        also = {"cached_input": (READ,), "cache_write": (WRITTEN,), "web_search": CALLED}
        return count_inclusive(usage, *responses.NAMES, also=also)
    return _count_chat(usage)


def _count_chat(usage: Usage) -> Counts | Reading:
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if prompt is None:
        raise missing("prompt_tokens")
    if completion is None:
        raise missing("completion_tokens")
    reasoning, citations = agreed(usage, *REASONING_PATHS) or 0, usage.of("citation_tokens")
    sums = (prompt + completion, prompt + completion + reasoning, prompt + completion + reasoning + citations)
    if usage.get("total_tokens") not in (None, *sums):
        raise inconsistent(
            f"total_tokens is {usage.of('total_tokens')}, but prompt_tokens {prompt} and completion_tokens {completion} "
            f"add up to {sums[0]}, {sums[1]} with reasoning_tokens, {sums[2]} with citation_tokens"
        )
    return tally(
        prompt,
        bounded(completion + reasoning, "output tokens"),
        reasoning=reasoning,
        names=("prompt_tokens", "completion_tokens"),
        citation=citations,
        web_search=agreed(usage, *SEARCHES) or 0,
    )


def _stated_cost(usage: Usage) -> Number | None:
    return usage.numbers.get("cost.total_cost")


DIALECT = Dialect("perplexity", _recognises, _count, LEAVES, precedence=50, stated_cost=_stated_cost)
