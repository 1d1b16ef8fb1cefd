"""What a provider's `usage` object means: five disjoint-able counts, checked against the stated total, never clamped.

Shapes: OpenAI's chat completions and responses. In both, cached and cache-write tokens are inside the input and reasoning
tokens inside the output. The other dialects are recognised so that they are never mistaken for these two.
"""

from typing import Annotated, Literal, NamedTuple

import msgspec

MAX_TOKENS = 2**31 - 1
Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
Dialect = Literal["openai.chat", "openai.responses", "anthropic", "gemini", "xai"]


class UsageRefused(Exception):
    """The counts cannot be billed as they stand; `code` says which way, the message why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Tokens | None = None


class Usage(msgspec.Struct, gc=False, rename={"prompt_token_count": "promptTokenCount"}):
    """Every field by which a dialect is known or counted; others (audio, predictions) are parts of these."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    total_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    prompt_token_count: Tokens | None = None


class Counts(NamedTuple):
    """Tokens. `cached_input` and `cache_write` are parts of `input`, `reasoning` is a part of `output`."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    reasoning: int


NOTHING = Counts(0, 0, 0, 0, 0)


def count(usage: Usage, dialect: Dialect | None) -> Counts:
    """The tokens a usage object states. Raises UsageRefused."""
    dialect = dialect or infer(usage)
    if dialect == "openai.chat":
        return _inclusive(
            usage.prompt_tokens,
            usage.prompt_tokens_details,
            usage.completion_tokens,
            usage.completion_tokens_details,
            usage.total_tokens,
            ("prompt_tokens", "completion_tokens"),
        )
    if dialect == "openai.responses":
        return _inclusive(
            usage.input_tokens,
            usage.input_tokens_details,
            usage.output_tokens,
            usage.output_tokens_details,
            usage.total_tokens,
            ("input_tokens", "output_tokens"),
        )
    raise UsageRefused("unsupported_dialect", f"Usage in the {dialect} dialect cannot be counted yet.")


def infer(usage: Usage) -> Dialect:
    """The dialect of a usage object that names none. Raises UsageRefused where the shape leaves a doubt."""
    if usage.prompt_token_count is not None:
        return "gemini"
    if usage.prompt_tokens is not None:
        _refuse_two_answers(usage)
        return "xai" if _reasoning_is_outside(usage) else "openai.chat"
    if usage.input_tokens is not None:
        native_cache = usage.cache_read_input_tokens is not None or usage.cache_creation_input_tokens is not None
        return "anthropic" if native_cache else "openai.responses"
    raise UsageRefused("usage_missing", "The usage object has no token counts: a billed event must say what it used.")


def _refuse_two_answers(usage: Usage) -> None:
    """Some proxies send both of OpenAI's shapes at once. That is one answer when they say the same, and else none."""
    if usage.input_tokens not in (None, usage.prompt_tokens) or usage.output_tokens not in (None, usage.completion_tokens):
        raise _inconsistent(
            f"prompt_tokens {usage.prompt_tokens} and completion_tokens {usage.completion_tokens} "
            f"stand beside input_tokens {usage.input_tokens} and output_tokens {usage.output_tokens}"
        )


def _reasoning_is_outside(usage: Usage) -> bool:
    """xAI's native shape: the total is only reached when reasoning is added to the completion."""
    details, total = usage.completion_tokens_details, usage.total_tokens
    if details is None or not details.reasoning_tokens or total is None:
        return False
    return total == (usage.prompt_tokens or 0) + (usage.completion_tokens or 0) + details.reasoning_tokens


def _inclusive(
    input: int | None,
    input_details: InputDetails | None,
    output: int | None,
    output_details: OutputDetails | None,
    total: int | None,
    names: tuple[str, str],
) -> Counts:
    """Counts of a dialect whose details are parts of the input and output. Raises UsageRefused."""
    if input is None:
        raise UsageRefused("usage_missing", f"usage.{names[0]} is missing.")
    if output is None:
        # A response without output, such as an embedding, says so by its total.
        if total != input:
            raise UsageRefused("usage_missing", f"usage.{names[1]} is missing.")
        output = 0
    cached = (input_details and input_details.cached_tokens) or 0
    cache_write = (input_details and input_details.cache_write_tokens) or 0
    reasoning = (output_details and output_details.reasoning_tokens) or 0
    if total is not None and total != input + output:
        raise _inconsistent(
            f"total_tokens is {total}, but {names[0]} {input} and {names[1]} {output} add up to {input + output}"
        )
    if cached + cache_write > input:
        raise _inconsistent(f"{cached} cached and {cache_write} cache-write tokens do not fit into {names[0]} {input}")
    if reasoning > output:
        raise _inconsistent(f"{reasoning} reasoning tokens do not fit into {names[1]} {output}")
    return Counts(input, cached, cache_write, output, reasoning)


def _inconsistent(what: str) -> UsageRefused:
    return UsageRefused("usage_inconsistent", f"The usage contradicts itself: {what}.")
