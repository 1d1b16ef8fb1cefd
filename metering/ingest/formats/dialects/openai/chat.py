"""OpenAI's chat completions, and what speaks their shape: cached tokens are in the prompt, reasoning is in the completion."""

from typing import Any

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai import responses
from metering.ingest.formats.dialects.openai.inclusive import count_inclusive, inclusive_leaves
from metering.ingest.formats.dialects.shape import CHECK, PART, Dialect, Meaning, inconsistent

NAMES = ("prompt_tokens", "completion_tokens")
# Proxies that send both of OpenAI's shapes at once repeat the other one's.
REPEATED = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details.cached_tokens": "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cache_write_tokens": "prompt_tokens_details.cache_write_tokens",
    "input_tokens_details.audio_tokens": "prompt_tokens_details.audio_tokens",
    "input_tokens_details.image_tokens": "prompt_tokens_details.image_tokens",
    "output_tokens_details.reasoning_tokens": "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.audio_tokens": "completion_tokens_details.audio_tokens",
}
LEAVES: dict[str, Meaning] = {
    **inclusive_leaves(*NAMES),
    **dict.fromkeys(REPEATED, CHECK),
    "input_tokens_details.text_tokens": PART,
    "output_tokens_details.text_tokens": PART,
}
# Of a provider that answers in both of OpenAI's shapes.
EITHER_LEAVES: dict[str, Meaning] = {**responses.LEAVES, **LEAVES}


def recognises_chat(usage: Usage) -> bool:
    return usage.states("prompt_tokens")


def count_chat(usage: Usage, **more: Any) -> Counts | Reading:
    """A chat's counts, with what `count_inclusive` takes of one provider's own ways."""
    if usage.states("prompt_tokens"):
        refuse_two_answers(usage)
    return count_inclusive(usage, *NAMES, **more)


def count_either(usage: Usage, **more: Any) -> Counts | Reading:
    """A response's counts where that is what is stated, and else a chat's, with what `count_inclusive` takes."""
    if usage.states("input_tokens") and not usage.states("prompt_tokens"):
        return count_inclusive(usage, *responses.NAMES, **more)
    return count_chat(usage, **more)


def refuse_two_answers(usage: Usage) -> None:
    """Both of OpenAI's shapes at once are one answer when they say the same, and else none."""
    for other, own in REPEATED.items():
        stated = usage.get(other)
        # Details that only one of the shapes has say nothing against the other; counts that differ do.
        if stated is not None and stated != usage.of(own):
            raise inconsistent(f"{own} {usage.of(own)} stands beside {other} {stated}")


DIALECT = Dialect("openai.chat", recognises_chat, count_chat, LEAVES, precedence=10)
