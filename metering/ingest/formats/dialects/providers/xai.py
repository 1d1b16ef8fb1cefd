"""xAI: OpenAI's chat shape with reasoning beside the completion, unless the total shows that it is inside.

Without a total it is beside, as xAI documents it, if the gateway names the dialect: the shape alone does not tell.
"""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import LEAVES as CHAT_LEAVES
from metering.ingest.formats.dialects.openai.chat import count_chat
from metering.ingest.formats.dialects.shape import INFORMATION, PART, WEB_SEARCH, Dialect, Meaning, missing

LEAVES: dict[str, Meaning] = {
    **CHAT_LEAVES,
    # All of these cost what its text does.
    "prompt_tokens_details.image_tokens": PART,
    "prompt_tokens_details.audio_tokens": PART,
    "completion_tokens_details.audio_tokens": PART,
    "num_sources_used": WEB_SEARCH,
    "cost_in_usd_ticks": INFORMATION,
}


def _recognises(usage: Usage) -> bool:
    """A chat's shape, whose total is only reached when reasoning is added to the completion; or xAI's own names."""
    prompt, reasoning = usage.get("prompt_tokens"), usage.of("completion_tokens_details.reasoning_tokens")
    if prompt is None:
        return False
    if usage.states("num_sources_used", "cost_in_usd_ticks"):
        return True
    return bool(reasoning) and usage.get("total_tokens") == prompt + usage.of("completion_tokens") + reasoning


def _count(usage: Usage) -> Counts | Reading:
    if usage.states("prompt_tokens") and not usage.states("completion_tokens"):
        raise missing("completion_tokens")
    return count_chat(usage, reasoning_beside=True, all_is_text=True, web_searches=usage.of("num_sources_used"))


DIALECT = Dialect("xai", _recognises, _count, LEAVES, precedence=30)
