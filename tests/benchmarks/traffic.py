"""Usage events as a gateway would send them: the seed models, cached and reasoning tokens, failures."""

import json
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

MODELS = ("codex-mini", "o1-preview", "computer-use-preview", "grok-3")
PROVIDERS = ("openai", "azure-openai")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def batches(
    keys: list[str], events: int, size: int, start: datetime, end: datetime, dice: random.Random, disorder: timedelta = MINUTE
) -> Iterator[bytes]:
    """Request bodies of `size` events each, every key equally often.

    From `start` to `end` in the order of their happening, but for some disorder.
    """
    for first in range(0, events, size):
        batch = []
        for at in range(first, min(first + size, events)):
            happened = start + (end - start - disorder) * (at / events) + disorder * dice.random()
            batch.append(event(keys[at % len(keys)], happened, dice))
        yield json.dumps({"events": batch}, separators=(",", ":")).encode()


def event(key_id: str, at: datetime, dice: random.Random) -> dict[str, Any]:
    """One response of a model, in one of the two OpenAI dialects."""
    succeeded = dice.random() < 0.97
    return {
        "request_id": f"req_{uuid.UUID(int=dice.getrandbits(128)).hex}",
        "key_id": key_id,
        "model": dice.choice(MODELS),
        "occurred_at": at.isoformat(),
        "usage": dice.choice((chat_usage, responses_usage))(dice),
        "status": "succeeded" if succeeded else dice.choice(("aborted", "failed")),
        "provider": dice.choice(PROVIDERS),
        "endpoint": "/api/v1/chat/completions",
        "stream": dice.random() < 0.6,
        "latency_ms": int(dice.lognormvariate(7, 0.8)),
        "time_to_first_token_ms": int(dice.lognormvariate(5.5, 0.6)),
    }


def tokens(dice: random.Random) -> tuple[int, int, int, int]:
    """Input, of which cached; output, of which reasoning."""
    input, output = int(dice.lognormvariate(7, 1.2)), int(dice.lognormvariate(5.5, 1))
    cached = input * dice.randrange(1, 9) // 10 if dice.random() < 0.4 else 0
    reasoning = output * dice.randrange(1, 9) // 10 if dice.random() < 0.5 else 0
    return input, cached, output, reasoning


def chat_usage(dice: random.Random) -> dict[str, Any]:
    input, cached, output, reasoning = tokens(dice)
    usage: dict[str, Any] = {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}
    if cached or reasoning:
        usage["prompt_tokens_details"] = {"cached_tokens": cached, "audio_tokens": 0}
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning, "rejected_prediction_tokens": 0}
    return usage


def responses_usage(dice: random.Random) -> dict[str, Any]:
    input, cached, output, reasoning = tokens(dice)
    return {
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": input + output,
    }
