"""OpenRouter: a chat with what OpenRouter charged for it, which is a cross-check and never a price."""

from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import LEAVES as CHAT_LEAVES
from metering.ingest.formats.dialects.openai.chat import count_chat
from metering.ingest.formats.dialects.shape import INFORMATION, Dialect, Meaning

COSTS = (
    *("upstream_inference_cost", "upstream_inference_prompt_cost", "upstream_inference_completions_cost"),
    *("upstream_inference_input_cost", "upstream_inference_output_cost", "server_tool_cost", "cache_discount"),
)
LEAVES: dict[str, Meaning] = {**CHAT_LEAVES, **dict.fromkeys((f"cost_details.{name}" for name in COSTS), INFORMATION)}


def _recognises(usage: Usage) -> bool:
    return usage.states("prompt_tokens") and (usage.states("is_byok") or usage.under("cost_details."))


DIALECT = Dialect("openrouter", _recognises, count_chat, LEAVES, precedence=40)
