"""OpenAI's chat completions, and what speaks their shape: cached tokens are in the prompt, reasoning is in the completion."""

from typing import Any

import msgspec

from metering.components import BY_NAME, Counts, Reading
from metering.ingest.formats.dialects.anthropic import CACHE_LEAVES, CacheCreation
from metering.ingest.formats.dialects.inclusive import InputDetails, OutputDetails, count_inclusive
from metering.ingest.formats.dialects.shape import (
    CACHE_WRITE,
    CACHED_INPUT,
    INPUT,
    OUTPUT,
    REASONING,
    Dialect,
    Meaning,
    Role,
    Tokens,
    UsageRefused,
    inconsistent,
)


class ChatUsage(msgspec.Struct, gc=False):
    """In the order in which OpenAI sends them. Proxies add the cached tokens under Anthropic's names."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None


LEAVES: dict[str, Meaning] = {
    "prompt_tokens": INPUT,
    "completion_tokens": OUTPUT,
    "total_tokens": Role.CHECK,
    "prompt_tokens_details.cached_tokens": CACHED_INPUT,
    "prompt_tokens_details.cache_write_tokens": CACHE_WRITE,
    "prompt_tokens_details.audio_tokens": BY_NAME["audio_input"],
    "completion_tokens_details.reasoning_tokens": REASONING,
    "completion_tokens_details.audio_tokens": BY_NAME["audio_output"],
    "completion_tokens_details.accepted_prediction_tokens": Role.PART,
    "completion_tokens_details.rejected_prediction_tokens": Role.PART,
    **CACHE_LEAVES,
}


def _recognises(usage: Any) -> bool:
    """By its prompt. The other OpenAI shape beside it must say the same."""
    if usage.prompt_tokens is None:
        return False
    if usage.input_tokens is not None or usage.output_tokens is not None:
        refuse_two_answers(usage)
    return True


def _count(usage: ChatUsage) -> Counts | Reading:
    details = usage.prompt_tokens_details
    if type(details) is list:  # `type() is` takes a third of isinstance's time
        raise a_list_of_details()
    return count_inclusive(
        usage,
        usage.prompt_tokens,
        details,
        usage.completion_tokens,
        usage.completion_tokens_details,
        ("prompt_tokens", "completion_tokens"),
    )


def a_list_of_details() -> UsageRefused:
    return UsageRefused("usage_inconsistent", "usage.prompt_tokens_details is a list, which only Gemini's usage has.")


def refuse_two_answers(usage: Any) -> None:
    """Some proxies send both of OpenAI's shapes at once. That is one answer when they say the same, and else none."""
    same = usage.input_tokens in (None, usage.prompt_tokens) and usage.output_tokens in (None, usage.completion_tokens)
    if not same:
        raise inconsistent(
            f"prompt_tokens {usage.prompt_tokens} and completion_tokens {usage.completion_tokens} "
            f"stand beside input_tokens {usage.input_tokens} and output_tokens {usage.output_tokens}"
        )
    chat, responses = usage.prompt_tokens_details, usage.input_tokens_details
    if responses is None or (responses.cached_tokens is None and responses.cache_write_tokens is None):
        return
    if cached_of(chat) != cached_of(responses):
        raise inconsistent("prompt_tokens_details and input_tokens_details state different cached tokens")


def cached_of(details: Any) -> tuple[int, int]:
    if details is None or isinstance(details, list):
        return (0, 0)
    return (details.cached_tokens or 0, details.cache_write_tokens or 0)


DIALECT = Dialect("openai.chat", ChatUsage, _recognises, _count, LEAVES, precedence=1)
