"""What Anthropic calls the things that are counted and priced here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metering.usage.query import UsageRow

STANDARD, DEFAULT = "standard", "default"
# Gateways do not say how long a written cache lives: all of it is under five minutes, which is what it is unless asked for.
TOKEN_TYPES = {
    "input": "uncached_input_tokens",
    "cached_input": "cache_read_input_tokens",
    "cache_write": "cache_creation.ephemeral_5m_input_tokens",
    "output": "output_tokens",
}
TOKENS = "tokens"  # the only type of cost there is


def tier_name(tier: str) -> str | None:
    """As they name a service tier; the others have the same names."""
    return STANDARD if tier == DEFAULT else tier or None


def tiers_named(names: Iterable[str]) -> tuple[str, ...]:
    """Ours by their names."""
    return tuple(DEFAULT if name == STANDARD else name for name in names)


def tokens_json(row: UsageRow) -> dict[str, Any]:
    return {
        "uncached_input_tokens": uncached_input(row),
        "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": row.cache_write_tokens},
        "cache_read_input_tokens": row.cached_input_tokens,
        "output_tokens": row.output_tokens,
        "server_tool_use": {"web_search_requests": 0},
    }


def uncached_input(row: UsageRow) -> int:
    return row.input_tokens - row.cached_input_tokens - row.cache_write_tokens
