"""OpenRouter: a chat or a response with what OpenRouter charged for it, which is a cross-check and never a price."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Number, Usage
from metering.ingest.formats.dialects.openai.chat import LEAVES as CHAT_LEAVES
from metering.ingest.formats.dialects.openai.chat import count_chat
from metering.ingest.formats.dialects.openai.inclusive import CACHE_LEAVES, count_inclusive
from metering.ingest.formats.dialects.openai.responses import DIALECT as RESPONSES
from metering.ingest.formats.dialects.openai.responses import NAMES
from metering.ingest.formats.dialects.shape import INFORMATION, Dialect, Meaning

COSTS = (
    *("upstream_inference_cost", "upstream_inference_prompt_cost", "upstream_inference_completions_cost"),
    *("upstream_inference_input_cost", "upstream_inference_output_cost", "server_tool_cost", "cache_discount"),
)
LEAVES: dict[str, Meaning] = {
    **RESPONSES.leaves,
    **CHAT_LEAVES,
    **dict.fromkeys((f"cost_details.{name}" for name in COSTS), INFORMATION),
}


def _recognises(usage: Usage) -> bool:
    if not usage.states("is_byok") and not usage.under("cost_details."):
        return False
    # With Anthropic's names it is Anthropic's shape, in which cached tokens are beside the input.
    return usage.states("prompt_tokens") or (usage.states("input_tokens") and not usage.states(*CACHE_LEAVES))


def _count(usage: Usage) -> Counts | Reading:
    if usage.states("input_tokens") and not usage.states("prompt_tokens"):
        return count_inclusive(usage, *NAMES)
    return count_chat(usage)


def _stated_cost(usage: Usage) -> Number | None:
    """With a key of the caller's own it is OpenRouter's fee alone."""
    return None if usage.flags.get("is_byok") else usage.numbers.get("cost")


DIALECT = Dialect("openrouter", _recognises, _count, LEAVES, precedence=40, stated_cost=_stated_cost)
