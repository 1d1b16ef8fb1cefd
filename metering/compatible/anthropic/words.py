"""What Anthropic calls the things that are counted and priced here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metering.usage.query import UsageRow

STANDARD, DEFAULT = "standard", "default"
# Of cache writes whose life nobody stated, all live for five minutes, which is what they do unless asked otherwise.
TOKEN_TYPES = {
    "input": "uncached_input_tokens",
    "cached_input": "cache_read_input_tokens",
    "cache_write": "cache_creation.ephemeral_5m_input_tokens",
    "output": "output_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
}
TOKENS = "tokens"
# Other types of cost that they have.
COST_TYPES = {"web_search": "web_search", "code_interpreter_session": "code_execution"}


def cost_words(component: str) -> dict[str, str | None]:
    """The types of a component's cost; of tokens that they do not tell apart, no type of token."""
    whole = component.partition("/")[0]
    return {"token_type": TOKEN_TYPES.get(component), "cost_type": COST_TYPES.get(whole, TOKENS)}


def tier_name(tier: str) -> str | None:
    """As they name a service tier; the others have the same names."""
    return STANDARD if tier == DEFAULT else tier or None


def tiers_named(names: Iterable[str]) -> tuple[str, ...]:
    """Ours by their names."""
    return tuple(DEFAULT if name == STANDARD else name for name in names)


def tokens_json(row: UsageRow) -> dict[str, Any]:
    one_hour = row.others.get("cache_write_1h", 0)
    return {
        "uncached_input_tokens": uncached_input(row),
        "cache_creation": {
            "ephemeral_1h_input_tokens": one_hour,
            "ephemeral_5m_input_tokens": row.cache_write_tokens - one_hour,
        },
        "cache_read_input_tokens": row.cached_input_tokens,
        "output_tokens": row.output_tokens,
        "server_tool_use": {"web_search_requests": row.others.get("web_search", 0)},
    }


def uncached_input(row: UsageRow) -> int:
    return row.input_tokens - row.cached_input_tokens - row.cache_write_tokens
