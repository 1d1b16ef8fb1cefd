"""LiteLLM's own usage object: every provider's counts under OpenAI's names, with those that the provider sent beside them.

It is no dialect that an event may name: its counts become those of our contract, and what they mean is decided there.
"""

from typing import Any

import msgspec


class LiteLLMInputDetails(msgspec.Struct, gc=False):
    cached_tokens: Any = None
    cache_write_tokens: Any = None
    cache_creation_tokens: Any = None


class LiteLLMOutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Any = None


class LiteLLMCacheCreation(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: Any = None
    ephemeral_1h_input_tokens: Any = None


class LiteLLMUsage(msgspec.Struct, gc=False):
    """The counts, of whatever type: wrong ones are refused later, together with everybody's."""

    completion_tokens: Any = None
    prompt_tokens: Any = None
    total_tokens: Any = None
    completion_tokens_details: LiteLLMOutputDetails | None = None
    prompt_tokens_details: LiteLLMInputDetails | None = None
    input_tokens: Any = None
    input_tokens_details: LiteLLMInputDetails | None = None
    output_tokens: Any = None
    output_tokens_details: LiteLLMOutputDetails | None = None
    cache_creation_input_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation: LiteLLMCacheCreation | None = None
    service_tier: Any = None


def usage_of_contract(stated: LiteLLMUsage | None) -> dict[str, Any] | None:
    """The counts under the names of our contract, or None where there are none: zero is a count, and nothing is not."""
    if stated is None:
        return None
    usage = {
        "prompt_tokens": _count(stated.prompt_tokens),
        "completion_tokens": _count(stated.completion_tokens),
        "total_tokens": _count(stated.total_tokens),
        "prompt_tokens_details": _input_details(stated.prompt_tokens_details),
        "completion_tokens_details": _output_details(stated.completion_tokens_details),
        "input_tokens": _count(stated.input_tokens),
        "input_tokens_details": _input_details(stated.input_tokens_details),
        "output_tokens": _count(stated.output_tokens),
        "output_tokens_details": _output_details(stated.output_tokens_details),
        "cache_creation_input_tokens": _count(stated.cache_creation_input_tokens),
        "cache_read_input_tokens": _count(stated.cache_read_input_tokens),
        "cache_creation": _cache_creation(stated.cache_creation),
    }
    return {name: value for name, value in usage.items() if value is not None} or None


def _input_details(stated: LiteLLMInputDetails | None) -> dict[str, Any] | None:
    if stated is None:
        return None
    written = stated.cache_creation_tokens if stated.cache_write_tokens is None else stated.cache_write_tokens
    return {"cached_tokens": _count(stated.cached_tokens), "cache_write_tokens": _count(written)}


def _output_details(stated: LiteLLMOutputDetails | None) -> dict[str, Any] | None:
    return None if stated is None else {"reasoning_tokens": _count(stated.reasoning_tokens)}


def _cache_creation(stated: LiteLLMCacheCreation | None) -> dict[str, Any] | None:
    if stated is None:
        return None
    return {
        "ephemeral_5m_input_tokens": _count(stated.ephemeral_5m_input_tokens),
        "ephemeral_1h_input_tokens": _count(stated.ephemeral_1h_input_tokens),
    }


def _count(value: Any) -> Any:
    """A count, or in place of what is none something of its kind that will be refused as well, but holds no text of theirs."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else 2**53
    return "" if isinstance(value, str | list | dict) else 0.5
