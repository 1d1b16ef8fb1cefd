"""OpenAI's transcriptions: of some models tokens, of others the seconds of audio. `type` says which."""

from decimal import Decimal

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.realtime import DIALECT as REALTIME
from metering.ingest.formats.dialects.shape import (
    AUDIO_DURATION,
    AUDIO_INPUT,
    CHECK,
    INPUT,
    OUTPUT,
    PART,
    Dialect,
    Meaning,
    missing,
    tally,
)

HALF = Decimal("0.5")
LEAVES: dict[str, Meaning] = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    "total_tokens": CHECK,
    "input_token_details.text_tokens": PART,
    "input_token_details.audio_tokens": AUDIO_INPUT,
    "seconds": AUDIO_DURATION,
}


def _recognises(usage: Usage) -> bool:
    """LiteLLM writes such usage in a chat's names, with the type beside them: then it is a chat's."""
    return usage.texts.get("type") in ("tokens", "duration") and usage.states("input_tokens", "seconds")


def _count(usage: Usage) -> Counts | Reading:
    if usage.states("input_tokens"):
        return REALTIME.count(usage)
    if not usage.states("seconds"):
        raise missing("seconds")
    return tally(0, 0, audio_duration=milliseconds(usage, "seconds"))


def milliseconds(usage: Usage, path: str) -> int:
    """A duration in seconds, which may have a fraction, in whole milliseconds, rounded half up."""
    return int((usage.amount(path) * 1000 + HALF) // 1)


DIALECT = Dialect("openai.transcription", _recognises, _count, LEAVES, precedence=70)
