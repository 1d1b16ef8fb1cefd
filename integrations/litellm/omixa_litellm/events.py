"""Usage events in Omixa's own format, one for each attempt of a call."""

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

from .bodies import WORD
from .calls import Call

# Texts of a usage object that say of what kind a number is, or how the answer was served. No other is passed on: it may be
# a person's.
TELLING = frozenset(
    {"type", "modality", "ttl", "cache_type", "search_context_size"}
    | {"service_tier", "serviceTier", "traffic_type", "trafficType", "speed", "inference_geo"}
)
LARGEST = 2**53
NUMBER = re.compile(r"\s*[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?\s*", re.ASCII)  # as some proxies write one
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
    part = {"part_of": call.request_id} if call.part else {}
    event = {
        "request_id": call.event_id,
        "attempt": attempt,
        "key_id": call.key.key_id,
        "model": call.asked.model,
        "occurred_at": datetime.fromtimestamp(ended, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "usage": usage,
        "usage_source": "estimated" if estimated else None,
        "status": status,
        "service_tier": service_tier if service_tier and WORD.fullmatch(service_tier) else None,
        "endpoint": f"/v1/{call.asked.endpoint}",
        "provider": call.provider,
        "route": call.route,
        "user": call.asked.user,
        "stream": call.asked.stream,
        "latency_ms": _millis(started, ended),
        "time_to_first_token_ms": _millis(call.started_at, call.first_byte_at) if call.asked.stream else None,
        "metadata": {**call.asked.metadata, **(metadata or {}), **part} or None,
    }
    return {name: value for name, value in event.items() if value is not None}


def counts(usage: Any) -> dict[str, Any] | None:
    """The numbers of a usage object, whether LiteLLM has it as an object or as a mapping; None where it counts nothing.

    All of them, under the names of whichever provider: what they mean is for Omixa to say.
    """
    kept = _numbers(_mapping(usage))
    return kept if _counts_something(kept) else None


def _numbers(stated: dict[str, Any]) -> dict[str, Any]:
    """A number counts whatever its name is, and a name that may be a person's is not passed on."""
    named = ((_name(str(name), at), _kept(str(name), value)) for at, (name, value) in enumerate(stated.items()))
    return {name: value for name, value in named if value is not None}


def _name(name: str, at: int) -> str:
    return name if WORD.fullmatch(name) else f"unreadable_{at}"


def _kept(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < LARGEST else LARGEST  # which no count may be: it is refused, not passed over
    if isinstance(value, str):
        return value if NUMBER.fullmatch(value) or (name in TELLING and WORD.fullmatch(value)) else None
    if isinstance(value, list):
        return [each for each in (_kept(name, inside) for inside in value) if each is not None] or None
    return _numbers(_mapping(value)) or None


def _counts_something(kept: Any) -> bool:
    if isinstance(kept, dict | list):
        return any(map(_counts_something, kept.values() if isinstance(kept, dict) else kept))
    return isinstance(kept, int | float) and not isinstance(kept, bool)


def estimate(call: Call, output_tokens: int, input_tokens: int | None = None) -> dict[str, Any]:
    """What an answer that never stated its usage comes to: the prompt as it was counted, and what was delivered.

    `input_tokens` as LiteLLM counted them; where that is more, it is taken.
    Anthropic's streams state the prompt in their first event.
    """
    stated = counts(call.delivered.usage) or {}
    if "input_tokens" in stated:
        so_far = stated.get("output_tokens")
        return {**stated, "output_tokens": max(output_tokens, so_far if isinstance(so_far, int) else 0)}
    prompt = max(call.input.tokens, input_tokens or 0)
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": output_tokens,
        "total_tokens": prompt + output_tokens,
    }
    parts = {"audio_tokens": call.delivered.audio_tokens, "image_tokens": call.delivered.image_tokens}
    if any(parts.values()):
        usage["completion_tokens_details"] = {name: tokens for name, tokens in parts.items() if tokens}
    return usage


def input_and_output(usage: dict[str, Any] | None) -> tuple[int | None, int | None]:
    """As any dialect that LiteLLM writes names them."""
    return _count(usage, "prompt_tokens", "input_tokens"), _count(usage, "completion_tokens", "output_tokens")


def _count(usage: dict[str, Any] | None, *names: str) -> int | None:
    found = [usage[name] for name in names if usage and isinstance(usage.get(name), int)]
    return found[0] if found else None


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
