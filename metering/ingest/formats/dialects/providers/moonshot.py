"""Moonshot (Kimi): a chat with its cached tokens at the top."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import LEAVES as CHAT_LEAVES
from metering.ingest.formats.dialects.openai.chat import count_chat
from metering.ingest.formats.dialects.shape import CACHED_INPUT, Dialect, Meaning

LEAVES: dict[str, Meaning] = {**CHAT_LEAVES, "cached_tokens": CACHED_INPUT}


def _recognises(usage: Usage) -> bool:
    return usage.states("prompt_tokens") and usage.states("cached_tokens")


def _count(usage: Usage) -> Counts | Reading:
    return count_chat(usage, also={"cached_input": ("cached_tokens",)})


DIALECT = Dialect("moonshot", _recognises, _count, LEAVES, precedence=50)
