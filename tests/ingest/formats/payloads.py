"""LiteLLM's logging payloads as a real proxy sent them, and ways to change and send them."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "samples" / "litellm"
# The proxy answered these within five minutes before this; all of a day on which nothing else happens.
CAPTURED = datetime(2026, 11, 20, 15, 10, tzinfo=UTC)

Payload = dict[str, Any]


def payloads_of(sample: str) -> list[Payload]:
    """What the proxy logged for one request of its client; twice for a request that failed over."""
    return json.loads((SAMPLES / f"{sample}.json").read_text())


def payload_of(sample: str = "chat_cached", **changes: Any) -> Payload:
    """The only payload of a sample; a change named `metadata__usage_object` reaches into it."""
    [payload] = payloads_of(sample)
    return changed(payload, **changes)


def changed(payload: Payload, **changes: Any) -> Payload:
    payload = deepcopy(payload)
    for path, value in changes.items():
        *folders, name = path.split("__")
        inside = payload
        for folder in folders:
            inside = inside[folder]
        inside[name] = value
    return payload


def every_payload() -> list[Payload]:
    return [payload for file in sorted(SAMPLES.glob("*.json")) for payload in payloads_of(file.stem)]


def as_json(payload: Any) -> bytes:
    return json.dumps(payload).encode()
