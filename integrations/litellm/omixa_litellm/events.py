"""Usage events in Omixa's own format, one for each attempt of a call."""

import json
import time
from datetime import UTC, datetime
from typing import Any

from .calls import Call

# Counts, by the names under which providers state them. Nothing else of an answer is passed on: the rest may be text.
USAGE = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
DETAILS = {
    "prompt_tokens_details": ("cached_tokens", "cache_write_tokens", "cache_creation_tokens"),
    "input_tokens_details": ("cached_tokens", "cache_write_tokens", "cache_creation_tokens"),
    "completion_tokens_details": ("reasoning_tokens",),
    "output_tokens_details": ("reasoning_tokens",),
    "cache_creation": ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
}
DEFAULT_TIERS = (None, "", "auto", "default", "standard")


def event_of(
    call: Call,
    attempt: int,
    status: str,
    usage: dict[str, int | dict[str, int]] | None,
    *,
    estimated: bool = False,
    service_tier: str | None = None,
    metadata: dict[str, Any] | None = None,
    now: float | None = None,
) -> dict[str, Any]:
    """`usage` as counts() gives it; nothing for a failed attempt."""
    ended = time.time() if now is None else now
    started = call.attempt_started_at or call.started_at
    event = {
        "request_id": call.request_id,
        "attempt": attempt,
        "key_id": call.key.key_id,
        "model": call.asked.model,
        "occurred_at": datetime.fromtimestamp(ended, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "usage": usage,
        "usage_source": "estimated" if estimated else None,
        "status": status,
        "service_tier": service_tier,
        "endpoint": f"/v1/{call.asked.endpoint}",
        "provider": call.provider,
        "route": call.route,
        "user": call.asked.user,
        "stream": call.asked.stream,
        "latency_ms": _millis(started, ended),
        "time_to_first_token_ms": _millis(call.started_at, call.first_byte_at) if call.asked.stream else None,
        "metadata": {**call.asked.metadata, **(metadata or {})} or None,
    }
    return {name: value for name, value in event.items() if value is not None}


def counts(usage: Any) -> dict[str, Any] | None:
    """The counts of a usage object, whether LiteLLM has it as an object or as a mapping; None where it states none."""
    stated = _mapping(usage)
    kept: dict[str, Any] = {name: stated[name] for name in USAGE if _is_count(stated.get(name))}
    for name, parts in DETAILS.items():
        inner = _mapping(stated.get(name))
        details = {part: inner[part] for part in parts if _is_count(inner.get(part))}
        if "cache_creation_tokens" in details:
            written = details.pop("cache_creation_tokens")
            details.setdefault("cache_write_tokens", written)
        if details:
            kept[name] = details
    return kept or None


def estimate(call: Call, output_tokens: int) -> dict[str, Any]:
    """What an answer that never stated its usage comes to: the prompt as it was held for, and what was delivered.

    Anthropic's streams state the prompt in their first event.
    """
    stated = counts(call.delivered.usage) or {}
    if "input_tokens" in stated:
        return {**stated, "output_tokens": max(output_tokens, stated.get("output_tokens", 0))}
    return {
        "prompt_tokens": call.input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": call.input_tokens + output_tokens,
    }


def output_tokens(usage: dict[str, Any] | None) -> int | None:
    if usage is None:
        return None
    value = usage.get("completion_tokens", usage.get("output_tokens"))
    return value if isinstance(value, int) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if hasattr(value, "model_dump"):
        dumped = value.model_dump()
        return dumped if isinstance(dumped, dict) else {}
    if isinstance(value, str):
        return dict(json.loads(value))
    return {}


def _millis(start: float, end: float | None) -> int | None:
    if end is None or end < start:
        return None
    return min(round((end - start) * 1000), 2**31 - 1)
