"""OpenAI's embeddings, and what speaks their shape: a prompt, and a total that is the same."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.inclusive import count_inclusive
from metering.ingest.formats.dialects.shape import (
    AUDIO_INPUT,
    CHECK,
    IMAGE_INPUT,
    INFORMATION,
    INPUT,
    OUTPUT,
    PART,
    Dialect,
    Meaning,
)

LEAVES: dict[str, Meaning] = {
    "prompt_tokens": INPUT,
    "completion_tokens": OUTPUT,
    "total_tokens": CHECK,
    "prompt_tokens_details.text_tokens": PART,
    "prompt_tokens_details.audio_tokens": AUDIO_INPUT,
    "prompt_tokens_details.image_tokens": IMAGE_INPUT,
    "cost": INFORMATION,
}


def _recognises(usage: Usage) -> bool:
    """By a total that leaves nothing for an output, of which nothing is said either, and by nothing that only a chat has."""
    prompt = usage.get("prompt_tokens")
    if prompt is None or usage.states("completion_tokens") or usage.get("total_tokens") != prompt:
        return False
    return usage.numbers.keys() <= LEAVES.keys()


def _count(usage: Usage) -> Counts | Reading:
    return count_inclusive(usage, "prompt_tokens", "completion_tokens")


DIALECT = Dialect("openai.embeddings", _recognises, _count, LEAVES, precedence=15)
