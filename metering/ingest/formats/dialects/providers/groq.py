"""Groq: a chat with the times that its parts took."""

from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import LEAVES as CHAT_LEAVES
from metering.ingest.formats.dialects.openai.chat import count_chat
from metering.ingest.formats.dialects.shape import INFORMATION, Dialect, Meaning

TIMES = ("queue_time", "prompt_time", "completion_time", "total_time")
LEAVES: dict[str, Meaning] = {**CHAT_LEAVES, **dict.fromkeys(TIMES, INFORMATION)}


def _recognises(usage: Usage) -> bool:
    return usage.states("prompt_tokens") and usage.states(*TIMES)


DIALECT = Dialect("groq", _recognises, count_chat, LEAVES, precedence=40)
