"""xAI: OpenAI's chat shape with reasoning beside the completion, unless the total shows that it is inside.

Without a total it is beside, as xAI documents it, if the gateway names the dialect: the shape alone does not tell.
"""

from typing import Any

from metering.components import Counts, new_counts
from metering.ingest.formats.dialects import openai_chat
from metering.ingest.formats.dialects.openai_chat import ChatUsage, a_list_of_details, cached_of
from metering.ingest.formats.dialects.shape import Dialect, Meaning, Role, bounded, inconsistent, missing

LEAVES: dict[str, Meaning] = {
    **openai_chat.LEAVES,
    # Its audio costs what its text does.
    "prompt_tokens_details.audio_tokens": Role.PART,
    "completion_tokens_details.audio_tokens": Role.PART,
    "prompt_tokens_details.text_tokens": Role.PART,
    "prompt_tokens_details.image_tokens": Role.PART,
}


def _recognises(usage: Any) -> bool:
    """A chat's shape, whose total is only reached when reasoning is added to the completion."""
    details, total, prompt = usage.completion_tokens_details, usage.total_tokens, usage.prompt_tokens
    if details is None or total is None or prompt is None or not details.reasoning_tokens:
        return False
    if total != prompt + (usage.completion_tokens or 0) + details.reasoning_tokens:
        return False
    return openai_chat.DIALECT.recognises(usage)


def _count(usage: ChatUsage) -> Counts:
    details, total, output = usage.completion_tokens_details, usage.total_tokens, usage.completion_tokens
    reasoning = (details and details.reasoning_tokens) or 0
    input_details = usage.prompt_tokens_details
    if usage.prompt_tokens is None:
        raise missing("prompt_tokens")
    if output is None:
        raise missing("completion_tokens")
    if isinstance(input_details, list):
        raise a_list_of_details()
    cached, cache_write = cached_of(input_details)
    if cached + cache_write > usage.prompt_tokens:
        raise inconsistent(f"{cached} cached tokens do not fit into prompt_tokens {usage.prompt_tokens}")
    if total is None or total == usage.prompt_tokens + output + reasoning:
        output = bounded(output + reasoning, "output tokens")
    elif total != usage.prompt_tokens + output or reasoning > output:
        raise inconsistent(
            f"total_tokens is {total}, but prompt_tokens {usage.prompt_tokens}, completion_tokens {output} "
            f"and {reasoning} reasoning tokens add up to {usage.prompt_tokens + output + reasoning}"
        )
    return new_counts(usage.prompt_tokens, output, cached, cache_write, reasoning)


DIALECT = Dialect("xai", ChatUsage, _recognises, _count, LEAVES, precedence=2)
