"""Anthropic's messages: cached tokens, read and written, are beside the input; writes of any lifetime are one count."""

from typing import Any, Protocol

import msgspec

from metering.components import BY_NAME, Counts, Reading, new_counts
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
    bounded,
    inconsistent,
    missing,
    reading,
)


class CacheCreation(msgspec.Struct, gc=False):
    """Cache writes by how long they live."""

    ephemeral_5m_input_tokens: Tokens | None = None
    ephemeral_1h_input_tokens: Tokens | None = None


class AnthropicOutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Tokens | None = None


class ServerToolUse(msgspec.Struct, gc=False):
    web_search_requests: Tokens | None = None


class AnthropicUsage(msgspec.Struct, gc=False):
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None
    server_tool_use: ServerToolUse | None = None
    output_tokens_details: AnthropicOutputDetails | None = None
    total_tokens: Tokens | None = None


# The sum of the cache writes, and each of its parts, count them; where both are stated they must agree.
CACHE_LEAVES: dict[str, Meaning] = {
    "cache_read_input_tokens": CACHED_INPUT,
    "cache_creation_input_tokens": CACHE_WRITE,
    "cache_creation.ephemeral_5m_input_tokens": CACHE_WRITE,
    "cache_creation.ephemeral_1h_input_tokens": BY_NAME["cache_write_1h"],
}
LEAVES: dict[str, Meaning] = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    **CACHE_LEAVES,
    "server_tool_use.web_search_requests": BY_NAME["web_search"],
    "output_tokens_details.reasoning_tokens": REASONING,
    "total_tokens": Role.CHECK,
}


def _recognises(usage: Any) -> bool:
    """OpenAI's responses share two names with it, and differ in whether cached tokens are in the first."""
    if usage.input_tokens is None:
        return False
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    if read is None and written is None and usage.cache_creation is None:
        return False
    if usage.input_tokens_details is None:
        return True
    if not read and not written and not _split(usage.cache_creation):
        return False
    # Both shapes' details, and tokens in the cache: only the total tells whether those are inside input_tokens.
    inside = usage.input_tokens + (usage.output_tokens or 0)
    if usage.total_tokens == inside:
        return False
    if usage.total_tokens == inside + (read or 0) + (_split(usage.cache_creation) if written is None else written):
        return True
    raise inconsistent(
        "it has cached tokens in OpenAI's and in Anthropic's place, and no total to tell which is right: name the dialect"
    )


def _count(usage: AnthropicUsage) -> Counts | Reading:
    if usage.input_tokens is None:
        raise missing("input_tokens")
    if usage.output_tokens is None:
        raise missing("output_tokens")
    cached, written, output = usage.cache_read_input_tokens or 0, written_tokens(usage), usage.output_tokens
    input = bounded(usage.input_tokens + cached + written, "input tokens")
    if usage.total_tokens not in (None, input + output):
        raise inconsistent(
            f"total_tokens is {usage.total_tokens}, but input_tokens {usage.input_tokens}, {cached} cached, "
            f"{written} cache-write and output_tokens {output} add up to {input + output}"
        )
    details = usage.output_tokens_details
    reasoning = (details and details.reasoning_tokens) or 0
    if reasoning > output:
        raise inconsistent(f"{reasoning} reasoning tokens do not fit into output_tokens {output}")
    searches = (usage.server_tool_use and usage.server_tool_use.web_search_requests) or 0
    counts, one_hour = new_counts(input, output, cached, written, reasoning), one_hour_tokens(usage.cache_creation)
    if searches or one_hour:
        return reading(counts, {"cache_write_1h": one_hour, "web_search": searches})
    return counts


class CacheWrites(Protocol):
    cache_creation_input_tokens: int | None
    cache_creation: CacheCreation | None


def written_tokens(usage: CacheWrites) -> int:
    """The cache writes, by their sum, their parts, or both where these agree."""
    whole, creation = usage.cache_creation_input_tokens, usage.cache_creation
    if creation is None or (creation.ephemeral_5m_input_tokens is None and creation.ephemeral_1h_input_tokens is None):
        return whole or 0
    parts = _split(creation)
    if whole not in (None, parts):
        raise inconsistent(f"cache_creation_input_tokens is {whole}, but the parts in cache_creation add up to {parts}")
    return parts


def one_hour_tokens(creation: CacheCreation | None) -> int:
    """What of the cache writes lives for an hour."""
    return (creation and creation.ephemeral_1h_input_tokens) or 0


def _split(creation: CacheCreation | None) -> int:
    if creation is None:
        return 0
    return (creation.ephemeral_5m_input_tokens or 0) + (creation.ephemeral_1h_input_tokens or 0)


DIALECT = Dialect("anthropic", AnthropicUsage, _recognises, _count, LEAVES, precedence=1)
