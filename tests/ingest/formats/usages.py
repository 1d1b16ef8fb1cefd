"""Usage objects in each provider's shape, and what becomes of them."""

from typing import Any

import msgspec
import pytest

from metering.components import Counts, read_of
from metering.ingest.formats.dialects import DialectName, ProviderUsage, UsageRefused, count_tokens

MOST = 2**31 - 1


def usage_of(said: dict[str, Any]) -> ProviderUsage:
    return msgspec.json.decode(msgspec.json.encode(said), type=ProviderUsage)


def counted(said: dict[str, Any], dialect: DialectName | None = None) -> Counts:
    return read_of(count_tokens(usage_of(said), dialect)).counts


def others_in(said: dict[str, Any], dialect: DialectName | None = None) -> dict[str, int]:
    """What was used of components that Counts does not have."""
    return dict(read_of(count_tokens(usage_of(said), dialect)).others)


def refusal(said: dict[str, Any], dialect: DialectName | None = None) -> tuple[str, str]:
    with pytest.raises(UsageRefused) as refused:
        count_tokens(usage_of(said), dialect)
    return refused.value.code, str(refused.value)


def chat(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def responses(input: int, output: int, **more: Any) -> dict[str, Any]:
    return {"input_tokens": input, "output_tokens": output, **more}


def gemini(prompt: int, **more: Any) -> dict[str, Any]:
    return {"promptTokenCount": prompt, **more}


def reasoning(tokens: int | None) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}
