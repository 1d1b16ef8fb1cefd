"""Nearly all usage: the plain shapes of OpenAI and Anthropic, read together with the event in one go.

It takes less time than a reading by leaves (understand.py), and never says anything else. All that it reads is either counted
or must be zero; an object with any other field, or in more than one shape, does not pass, and is then read by its leaves.
"""

from typing import Annotated, Literal

import msgspec

from metering.components import Counts, new_counts
from metering.ingest.formats.dialects.shape import MAX_TOKENS

Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
Zero = Literal[0]


class PlainInputDetails(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    audio_tokens: Zero | None = None
    text_tokens: Zero | None = None
    image_tokens: Zero | None = None


class PlainOutputDetails(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    reasoning_tokens: Tokens | None = None
    audio_tokens: Zero | None = None
    accepted_prediction_tokens: Zero | None = None
    rejected_prediction_tokens: Zero | None = None
    text_tokens: Zero | None = None
    image_tokens: Zero | None = None


class PlainCacheCreation(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """Writes for an hour are a component of their own, and none of the plain ones."""

    ephemeral_5m_input_tokens: Tokens | None = None
    ephemeral_1h_input_tokens: Zero | None = None


class PlainToolUse(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    web_search_requests: Zero | None = None
    web_fetch_requests: Zero | None = None


class PlainUsage(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """In the order in which providers send them, chat first: the decoder rewards it."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    prompt_tokens_details: PlainInputDetails | None = None
    completion_tokens_details: PlainOutputDetails | None = None
    input_tokens: Tokens | None = None
    input_tokens_details: PlainInputDetails | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: PlainCacheCreation | None = None
    output_tokens: Tokens | None = None
    output_tokens_details: PlainOutputDetails | None = None
    server_tool_use: PlainToolUse | None = None
    service_tier: Literal["default", "standard"] | None = None
    inference_geo: Literal["global", "not_available"] | None = None
    speed: Literal["standard"] | None = None


def plain_counts(usage: PlainUsage, dialect: str | None) -> Counts | None:
    """The counts of a plain object; None for one that has to be read by its leaves, be it right or wrong."""
    if usage.prompt_tokens is not None:
        if dialect is not None and dialect != "openai.chat":
            return None
        if usage.input_tokens is not None or usage.output_tokens is not None or _has_anthropics(usage):
            return None
        if usage.input_tokens_details is not None or usage.output_tokens_details is not None:
            return None
        return _inclusive(
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens,
            usage.prompt_tokens_details,
            usage.completion_tokens_details,
        )
    if usage.input_tokens is None or usage.completion_tokens is not None:
        return None
    if usage.prompt_tokens_details is not None or usage.completion_tokens_details is not None:
        return None
    if _has_anthropics(usage):
        return _anthropic(usage) if dialect is None or dialect == "anthropic" else None
    if dialect is not None and dialect != "openai.responses":
        return None
    return _inclusive(
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.input_tokens_details,
        usage.output_tokens_details,
    )


def _has_anthropics(usage: PlainUsage) -> bool:
    return (
        usage.cache_read_input_tokens is not None
        or usage.cache_creation_input_tokens is not None
        or usage.cache_creation is not None
        or usage.server_tool_use is not None
        or usage.inference_geo is not None
        or usage.speed is not None
    )


def _inclusive(
    input: int,
    output: int | None,
    total: int | None,
    input_details: PlainInputDetails | None,
    output_details: PlainOutputDetails | None,
) -> Counts | None:
    if output is None or (total is not None and total != input + output):
        return None
    cached = written = reasoning = 0
    if input_details is not None:
        cached = input_details.cached_tokens or 0
        written = input_details.cache_write_tokens or 0
        if cached + written > input or input_details.image_tokens is not None:
            return None
    if output_details is not None:
        reasoning = output_details.reasoning_tokens or 0
        if reasoning > output:
            return None
    return new_counts(input, output, cached, written, reasoning)


def _anthropic(usage: PlainUsage) -> Counts | None:
    uncached, output = usage.input_tokens, usage.output_tokens
    if uncached is None or output is None:
        return None
    if usage.input_tokens_details is not None or usage.output_tokens_details is not None or usage.total_tokens is not None:
        return None
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens
    creation = usage.cache_creation
    if creation is not None and (creation.ephemeral_5m_input_tokens or 0) != written:
        return None
    input = uncached + cached + (written or 0)
    return new_counts(input, output, cached, written or 0) if input <= MAX_TOKENS else None
