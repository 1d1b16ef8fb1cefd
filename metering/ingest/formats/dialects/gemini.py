"""Gemini: tool results are input beside the prompt, cached tokens are in the prompt, thoughts are output beside the candidates.

Where the total shows that thoughts are in the candidates, that counts. Without a total they are outside, as Google documents
them. Protocol buffers leave zeros out: without candidates a total that fits shows that there were none.
"""

from typing import Any

import msgspec

from metering.components import Counts, new_counts
from metering.ingest.formats.dialects import openai_responses, xai
from metering.ingest.formats.dialects.shape import (
    CACHED_INPUT,
    INPUT,
    OUTPUT,
    REASONING,
    Dialect,
    Meaning,
    Role,
    Tokens,
    bounded,
    inconsistent,
    missing,
)


class GeminiUsage(
    msgspec.Struct,
    gc=False,
    rename={
        "camel_prompt": "promptTokenCount",
        "camel_tool_use": "toolUsePromptTokenCount",
        "camel_cached": "cachedContentTokenCount",
        "camel_candidates": "candidatesTokenCount",
        "camel_thoughts": "thoughtsTokenCount",
        "camel_total": "totalTokenCount",
    },
):
    """As its API writes them and as Google's Python SDK dumps them, which has a list by modality where OpenAI has details."""

    camel_prompt: Tokens | None = None
    camel_tool_use: Tokens | None = None
    camel_cached: Tokens | None = None
    camel_candidates: Tokens | None = None
    camel_thoughts: Tokens | None = None
    camel_total: Tokens | None = None
    prompt_token_count: Tokens | None = None
    tool_use_prompt_token_count: Tokens | None = None
    cached_content_token_count: Tokens | None = None
    candidates_token_count: Tokens | None = None
    thoughts_token_count: Tokens | None = None
    total_token_count: Tokens | None = None
    prompt_tokens_details: list[Any] | None = None


LEAVES: dict[str, Meaning] = {
    "promptTokenCount": INPUT,
    "toolUsePromptTokenCount": INPUT,
    "cachedContentTokenCount": CACHED_INPUT,
    "candidatesTokenCount": OUTPUT,
    "thoughtsTokenCount": REASONING,
    "totalTokenCount": Role.CHECK,
    "promptTokensDetails[].tokenCount": Role.PART,
    "cacheTokensDetails[].tokenCount": Role.PART,
    "candidatesTokensDetails[].tokenCount": Role.PART,
    "toolUsePromptTokensDetails[].tokenCount": Role.PART,
    "prompt_token_count": INPUT,
    "tool_use_prompt_token_count": INPUT,
    "cached_content_token_count": CACHED_INPUT,
    "candidates_token_count": OUTPUT,
    "thoughts_token_count": REASONING,
    "total_token_count": Role.CHECK,
    "prompt_tokens_details[].token_count": Role.PART,
    "cache_tokens_details[].token_count": Role.PART,
    "candidates_tokens_details[].token_count": Role.PART,
    "tool_use_prompt_tokens_details[].token_count": Role.PART,
}


def _recognises(usage: Any) -> bool:
    """By its prompt; where no other shape states one, by its total."""
    if usage.camel_prompt is None and usage.prompt_token_count is None:
        if usage.camel_total is None and usage.total_token_count is None:
            return False
        return usage.prompt_tokens is None and usage.input_tokens is None
    if usage.prompt_tokens is not None or usage.input_tokens is not None:
        _refuse_other_counts(usage)
    return True


def _refuse_other_counts(usage: Any) -> None:
    """Gemini's shape beside another is one answer when both count the same, and else none."""
    other = openai_responses.DIALECT if usage.prompt_tokens is None else xai.DIALECT
    if other.count(usage) != _count(usage):
        raise inconsistent("it has Gemini's token counts beside others that say something else: name the dialect")


def _count(usage: GeminiUsage) -> Counts:
    prompt = _either(usage.camel_prompt, usage.prompt_token_count, "promptTokenCount")
    candidates = _either(usage.camel_candidates, usage.candidates_token_count, "candidatesTokenCount")
    total = _either(usage.camel_total, usage.total_token_count, "totalTokenCount")
    cached = _either(usage.camel_cached, usage.cached_content_token_count, "cachedContentTokenCount") or 0
    tool_use = _either(usage.camel_tool_use, usage.tool_use_prompt_token_count, "toolUsePromptTokenCount") or 0
    thoughts = _either(usage.camel_thoughts, usage.thoughts_token_count, "thoughtsTokenCount") or 0
    if prompt is None:
        raise missing("promptTokenCount")
    if candidates is None and total is None:
        raise missing("candidatesTokenCount")
    if cached > prompt:
        raise inconsistent(f"{cached} cached tokens do not fit into promptTokenCount {prompt}")
    input, said = bounded(prompt + tool_use, "input tokens"), candidates or 0
    if total is None or total == input + said + thoughts:
        return new_counts(input, bounded(said + thoughts, "output tokens"), cached, reasoning=thoughts)
    if total == input + said and thoughts <= said:
        return new_counts(input, said, cached, reasoning=thoughts)
    raise inconsistent(
        f"totalTokenCount is {total}, but promptTokenCount {prompt}, toolUsePromptTokenCount {tool_use}, "
        f"candidatesTokenCount {said} and thoughtsTokenCount {thoughts} add up to {input + said + thoughts}"
    )


def _either(camel: int | None, snake: int | None, name: str) -> int | None:
    if camel is not None and snake is not None and camel != snake:
        raise inconsistent(f"{name} is stated as {camel} and as {snake}")
    return snake if camel is None else camel


DIALECT = Dialect("gemini", GeminiUsage, _recognises, _count, LEAVES, precedence=3)
