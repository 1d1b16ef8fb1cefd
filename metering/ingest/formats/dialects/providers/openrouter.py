"""OpenRouter: a chat, a response or Anthropic's messages with what was charged, which is a cross-check and never a price.

Of the tools of its server a search costs something by itself. Its calls are counted among all calls once more; a call that is
no search waits for a decision.
"""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Number, Usage
from metering.ingest.formats.dialects.openai.chat import EITHER_LEAVES, count_either
from metering.ingest.formats.dialects.providers import anthropic
from metering.ingest.formats.dialects.shape import CHECK, INFORMATION, WEB_SEARCH, Dialect, Meaning

COSTS = (
    *("upstream_inference_cost", "upstream_inference_prompt_cost", "upstream_inference_completions_cost"),
    *("upstream_inference_input_cost", "upstream_inference_output_cost", "server_tool_cost", "cache_discount"),
)
TOOLS = ("server_tool_use", "server_tool_use_details")
SEARCHES = tuple(f"{tools}.web_search_requests" for tools in TOOLS)
CALLS = tuple(f"{tools}.tool_calls_{done}" for tools in TOOLS for done in ("requested", "executed"))
LEAVES: dict[str, Meaning] = {
    **anthropic.LEAVES,
    **EITHER_LEAVES,
    **dict.fromkeys(SEARCHES, WEB_SEARCH),
    **dict.fromkeys(CALLS, CHECK),
    **dict.fromkeys((f"cost_details.{name}" for name in COSTS), INFORMATION),
}


def _recognises(usage: Usage) -> bool:
    if not usage.states("is_byok") and not usage.under("cost_details."):
        return False
    return usage.states("prompt_tokens", "input_tokens")


def _count(usage: Usage) -> Counts | Reading:
    """With Anthropic's names it is Anthropic's shape, in which cached tokens are beside the input."""
    searches = max(usage.numbers.get(path, 0) for path in SEARCHES)
    usage.asked.update(path for path in CALLS if usage.numbers.get(path, 0) <= searches)
    if anthropic.DIALECT.recognises(usage) or usage.states(anthropic.THINKING):
        return anthropic.DIALECT.count(usage)
    return count_either(usage, also={"web_search": SEARCHES})


def _stated_cost(usage: Usage) -> Number | None:
    """With a key of the caller's own it is OpenRouter's fee alone."""
    return None if usage.flags.get("is_byok") else usage.numbers.get("cost")


DIALECT = Dialect("openrouter", _recognises, _count, LEAVES, precedence=40, stated_cost=_stated_cost)
