"""Perplexity: a chat with reasoning beside the completion, and searches and citations that are billed as well."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Number, Usage
from metering.ingest.formats.dialects.shape import (
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
    *("input_tokens_cost", "output_tokens_cost", "reasoning_tokens_cost", "citation_tokens_cost"),
    *("search_queries_cost", "request_cost", "total_cost"),
)
# By its own name, and as LiteLLM says it again.
REASONING_PATHS = ("reasoning_tokens", "completion_tokens_details.reasoning_tokens")
SEARCHES = ("num_search_queries", "prompt_tokens_details.web_search_requests")
LEAVES: dict[str, Meaning] = {
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
    return usage.states("prompt_tokens") and (usage.states(*own) or usage.under("cost."))


def _count(usage: Usage) -> Counts | Reading:
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
