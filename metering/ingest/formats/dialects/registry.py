"""The dialects that are understood, in the order in which the API's document lists them, and how one of them is found.

A dialect is a file in a room of this folder and its line in DIALECTS.
"""

from typing import TYPE_CHECKING, Literal

from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai import chat, embeddings, images, realtime, responses, transcription
from metering.ingest.formats.dialects.providers import (
    anthropic,
    bedrock,
    cohere,
    deepseek,
    gemini,
    groq,
    mistral,
    moonshot,
    openrouter,
    perplexity,
    qwen,
    voyage,
    xai,
)
from metering.ingest.formats.dialects.self_hosted import ollama, vllm
from metering.ingest.formats.dialects.shape import Dialect, UsageRefused

DIALECTS = (
    chat.DIALECT,
    responses.DIALECT,
    anthropic.DIALECT,
    gemini.DIALECT,
    xai.DIALECT,
    realtime.DIALECT,
    images.DIALECT,
    transcription.DIALECT,
    embeddings.DIALECT,
    bedrock.DIALECT,
    cohere.DIALECT,
    deepseek.DIALECT,
    groq.DIALECT,
    mistral.DIALECT,
    moonshot.DIALECT,
    ollama.DIALECT,
    openrouter.DIALECT,
    perplexity.DIALECT,
    qwen.DIALECT,
    vllm.DIALECT,
    voyage.DIALECT,
)
DIALECT_NAMES = tuple(each.name for each in DIALECTS)
BY_NAME = {each.name: each for each in DIALECTS}
BY_PRECEDENCE = sorted(DIALECTS, key=lambda each: -each.precedence)

if TYPE_CHECKING:
    DialectName = str
else:
    DialectName = Literal[DIALECT_NAMES]


def dialect_of(usage: Usage, named: DialectName | None) -> Dialect:
    """The dialect that an event names, or else that of the usage's shape. Raises UsageRefused where that leaves a doubt."""
    if named is not None:
        return BY_NAME[named]
    for dialect in BY_PRECEDENCE:
        if dialect.recognises(usage):
            return dialect
    raise UsageRefused("usage_missing", "The usage object has no token counts: a billed event must say what it used.")
