"""Usage objects in each provider's shape, and what becomes of them."""

from typing import Any

import msgspec
import pytest

from metering.components import Counts, read_of
from metering.ingest.formats.dialects.plain import PlainUsage, plain_counts
from metering.ingest.formats.dialects.registry import DialectName
from metering.ingest.formats.dialects.shape import UsageRefused
from metering.ingest.formats.dialects.understand import NO_RULES, Rules, Understood, understand

MOST = 2**31 - 1


def understood(said: dict[str, Any], dialect: DialectName | None = None, rules: Rules = NO_RULES) -> Understood:
    """What its leaves say; where it is plain, the quick reading must say the same."""
    raw = msgspec.json.encode(said)
    read = understand(raw, dialect, lambda: rules)
    try:
        plain = plain_counts(msgspec.json.decode(raw, type=PlainUsage), dialect)
    except msgspec.ValidationError:
        plain = None
    assert plain in (None, read.counted)
    return read


def inferred(said: dict[str, Any]) -> str:
    return understood(said).dialect


def counted(said: dict[str, Any], dialect: DialectName | None = None) -> Counts:
    return read_of(understood(said, dialect).counted).counts


def others_in(said: dict[str, Any], dialect: DialectName | None = None) -> dict[str, int]:
    """What was used beside the five."""
    return dict(read_of(understood(said, dialect).counted).others)


def refusal(said: dict[str, Any], dialect: DialectName | None = None) -> tuple[str, str]:
    with pytest.raises(UsageRefused) as refused:
        understood(said, dialect)
    return refused.value.code, str(refused.value)


def chat(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def responses(input: int, output: int, **more: Any) -> dict[str, Any]:
    return {"input_tokens": input, "output_tokens": output, **more}


def gemini(prompt: int, **more: Any) -> dict[str, Any]:
    return {"promptTokenCount": prompt, **more}


def reasoning(tokens: int | None) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}
