"""Mistral: a chat, with the seconds of audio in its prompt, whose tokens only the total has; or the pages that were read."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import LEAVES as CHAT_LEAVES
from metering.ingest.formats.dialects.openai.chat import count_chat
from metering.ingest.formats.dialects.openai.transcription import milliseconds
from metering.ingest.formats.dialects.shape import (
    AUDIO_DURATION,
    CACHED_INPUT,
    INFORMATION,
    PAGE,
    Dialect,
    Meaning,
    agreed,
    inconsistent,
    tally,
)

SECONDS, PAGES = "prompt_audio_seconds", "pages_processed"
CACHED = ("num_cached_tokens", "prompt_token_details.cached_tokens")
LEAVES: dict[str, Meaning] = {
    **CHAT_LEAVES,
    SECONDS: AUDIO_DURATION,
    **dict.fromkeys(CACHED, CACHED_INPUT),
    PAGES: PAGE,
    "doc_size_bytes": INFORMATION,
}


def _recognises(usage: Usage) -> bool:
    if usage.states(SECONDS, PAGES):
        return True
    return usage.states("prompt_tokens") and usage.under("prompt_token_details.")


def _count(usage: Usage) -> Counts | Reading:
    if usage.states(PAGES) and not usage.states("prompt_tokens"):
        return tally(0, 0, page=usage.of(PAGES))
    audio = milliseconds(usage, SECONDS)
    if not audio:
        return count_chat(usage, also={"cached_input": CACHED})
    prompt, completion = usage.of("prompt_tokens"), usage.of("completion_tokens")
    total, cached = usage.get("total_tokens"), agreed(usage, "prompt_tokens_details.cached_tokens", *CACHED) or 0
    if total is not None and total < prompt + completion:
        raise inconsistent(
            f"total_tokens is {total}, but prompt_tokens {prompt} and completion_tokens {completion} add up to "
            f"{prompt + completion}"
        )
    return tally(prompt, completion, cached, names=("prompt_tokens", "completion_tokens"), audio_duration=audio)


DIALECT = Dialect("mistral", _recognises, _count, LEAVES, precedence=40)
