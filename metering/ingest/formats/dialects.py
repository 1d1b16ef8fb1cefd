"""What a provider's `usage` object means: one canonical count, checked against the stated total, never clamped.

Where a provider's parts cannot agree with its total, or two shapes in one object with each other, nobody knows what was used:
the event is refused with the sentence that says so, and an operator decides.
"""

from typing import Annotated, Any, Literal

import msgspec

from metering.components import Counts

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


class CacheCreation(msgspec.Struct, gc=False):
    """Anthropic's cache writes by how long they live."""

    ephemeral_5m_input_tokens: Tokens | None = None
    ephemeral_1h_input_tokens: Tokens | None = None


class ProviderUsage(
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
    """Every field by which a dialect is known or counted; others (audio, predictions) are parts of these.

    In the order in which OpenAI sends them, which the decoder rewards. Gemini's come as its API writes them and as
    Google's Python SDK dumps them; that dump has a list by modality where OpenAI has `prompt_tokens_details`.
    """

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    prompt_tokens_details: InputDetails | list[Any] | None = None
    completion_tokens_details: OutputDetails | None = None
    input_tokens: Tokens | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens: Tokens | None = None
    output_tokens_details: OutputDetails | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None
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


def count_tokens(usage: ProviderUsage, dialect: Dialect | None) -> Counts:
    """The tokens a usage object states. Raises UsageRefused."""
    if dialect is None:
        dialect = infer(usage)
    if dialect == "openai.chat":
        details = usage.prompt_tokens_details
        if type(details) is list:
            raise UsageRefused("usage_inconsistent", "usage.prompt_tokens_details is a list, which only Gemini's usage has.")
        return _inclusive(
            usage,
            usage.prompt_tokens,
            details,  # type: ignore[arg-type]  # `type() is` is a third of isinstance's time, and mypy does not narrow by it
            usage.completion_tokens,
            usage.completion_tokens_details,
            ("prompt_tokens", "completion_tokens"),
        )
    if dialect == "openai.responses":
        return _inclusive(
            usage,
            usage.input_tokens,
            usage.input_tokens_details,
            usage.output_tokens,
            usage.output_tokens_details,
            ("input_tokens", "output_tokens"),
        )
    if dialect == "anthropic":
        return _anthropic(usage)
    if dialect == "gemini":
        return _gemini(usage)
    return _xai(usage)


def infer(usage: ProviderUsage) -> Dialect:
    """The dialect of a usage object that names none. Raises UsageRefused where the shape leaves a doubt."""
    prompt = usage.prompt_tokens
    if usage.camel_prompt is not None or usage.prompt_token_count is not None:
        if prompt is not None or usage.input_tokens is not None:
            _refuse_other_counts(usage, "xai" if prompt is not None else "openai.responses")
        return "gemini"
    if prompt is not None:
        if usage.input_tokens is not None or usage.output_tokens is not None:
            _refuse_two_answers(usage)
        return "xai" if _reasoning_is_outside(usage) else "openai.chat"
    if usage.input_tokens is not None:
        return _with_input_tokens(usage)
    if usage.camel_total is not None or usage.total_token_count is not None:
        return "gemini"
    raise UsageRefused("usage_missing", "The usage object has no token counts: a billed event must say what it used.")


def _refuse_other_counts(usage: ProviderUsage, other: Dialect) -> None:
    """Gemini's shape beside another is one answer when both count the same, and else none."""
    if count_tokens(usage, other) != count_tokens(usage, "gemini"):
        raise _inconsistent("it has Gemini's token counts beside others that say something else: name the dialect")


def _with_input_tokens(usage: ProviderUsage) -> Dialect:
    """OpenAI's responses and Anthropic's messages share two names and differ in whether cached tokens are in the first."""
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    if read is None and written is None and usage.cache_creation is None:
        return "openai.responses"
    if usage.input_tokens_details is None:
        return "anthropic"
    if not read and not written and not _split(usage.cache_creation):
        return "openai.responses"
    # Both shapes' details, and tokens in the cache: only the total tells whether those are inside input_tokens.
    inside = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    if usage.total_tokens == inside:
        return "openai.responses"
    if usage.total_tokens == inside + (read or 0) + (_split(usage.cache_creation) if written is None else written):
        return "anthropic"
    raise _inconsistent(
        "it has cached tokens in OpenAI's and in Anthropic's place, and no total to tell which is right: name the dialect"
    )


def _refuse_two_answers(usage: ProviderUsage) -> None:
    """Some proxies send both of OpenAI's shapes at once. That is one answer when they say the same, and else none."""
    same = usage.input_tokens in (None, usage.prompt_tokens) and usage.output_tokens in (None, usage.completion_tokens)
    if not same:
        raise _inconsistent(
            f"prompt_tokens {usage.prompt_tokens} and completion_tokens {usage.completion_tokens} "
            f"stand beside input_tokens {usage.input_tokens} and output_tokens {usage.output_tokens}"
        )
    chat, responses = usage.prompt_tokens_details, usage.input_tokens_details
    if responses is None or (responses.cached_tokens is None and responses.cache_write_tokens is None):
        return
    if _cached_of(chat) != _cached_of(responses):
        raise _inconsistent("prompt_tokens_details and input_tokens_details state different cached tokens")


def _cached_of(details: InputDetails | list[Any] | None) -> tuple[int, int]:
    if not isinstance(details, InputDetails):
        return (0, 0)
    return (details.cached_tokens or 0, details.cache_write_tokens or 0)


def _reasoning_is_outside(usage: ProviderUsage) -> bool:
    """xAI's native shape: the total is only reached when reasoning is added to the completion."""
    details, total = usage.completion_tokens_details, usage.total_tokens
    if details is None or total is None or not details.reasoning_tokens:
        return False
    return total == (usage.prompt_tokens or 0) + (usage.completion_tokens or 0) + details.reasoning_tokens


def _inclusive(
    usage: ProviderUsage,
    input: int | None,
    input_details: InputDetails | None,
    output: int | None,
    output_details: OutputDetails | None,
    names: tuple[str, str],
) -> Counts:
    """Counts of a dialect whose details are parts of the input and output. Raises UsageRefused."""
    total = usage.total_tokens
    if input is None:
        raise UsageRefused("usage_missing", f"usage.{names[0]} is missing.")
    if output is None:
        # A response without output, such as an embedding, says so by its total.
        if total != input:
            raise UsageRefused("usage_missing", f"usage.{names[1]} is missing.")
        output = 0
    if total is not None and total != input + output:
        raise _inconsistent(
            f"total_tokens is {total}, but {names[0]} {input} and {names[1]} {output} add up to {input + output}"
        )
    cached = cache_write = reasoning = 0
    if input_details is not None:
        cached = input_details.cached_tokens or 0
        cache_write = input_details.cache_write_tokens or 0
    if output_details is not None:
        reasoning = output_details.reasoning_tokens or 0
    if usage.cache_read_input_tokens or usage.cache_creation_input_tokens or usage.cache_creation is not None:
        cached, cache_write = _stated_twice(usage, input_details)
    if cached + cache_write > input:
        raise _inconsistent(f"{cached} cached and {cache_write} cache-write tokens do not fit into {names[0]} {input}")
    if reasoning > output:
        raise _inconsistent(f"{reasoning} reasoning tokens do not fit into {names[1]} {output}")
    return Counts(input, cached, cache_write, output, reasoning)


def _stated_twice(usage: ProviderUsage, details: InputDetails | None) -> tuple[int, int]:
    """Proxies such as LiteLLM give Anthropic's cached tokens in OpenAI's shape, and under Anthropic's names beside it.

    Under Anthropic's names alone, only a total that fits, which was checked before, shows that they are inside the input.
    """
    read, written = usage.cache_read_input_tokens or 0, _written(usage)
    cached, cache_write = (details.cached_tokens, details.cache_write_tokens) if details is not None else (None, None)
    both_stated = (cached is not None or not read) and (cache_write is not None or not written)
    if cached in (None, read) and cache_write in (None, written) and (both_stated or usage.total_tokens is not None):
        return read, written
    if not read and not written:
        return cached or 0, cache_write or 0
    raise _inconsistent(
        f"{cached or 0} cached and {cache_write or 0} cache-write tokens stand beside "
        f"cache_read_input_tokens {read} and cache_creation_input_tokens {written}"
    )


def _anthropic(usage: ProviderUsage) -> Counts:
    """Cached tokens, read and written, are beside `input_tokens`; writes for 5 minutes and for an hour are one count."""
    if usage.input_tokens is None:
        raise UsageRefused("usage_missing", "usage.input_tokens is missing.")
    if usage.output_tokens is None:
        raise UsageRefused("usage_missing", "usage.output_tokens is missing.")
    cached, written, output = usage.cache_read_input_tokens or 0, _written(usage), usage.output_tokens
    input = _bounded(usage.input_tokens + cached + written, "input tokens")
    if usage.total_tokens not in (None, input + output):
        raise _inconsistent(
            f"total_tokens is {usage.total_tokens}, but input_tokens {usage.input_tokens}, {cached} cached, "
            f"{written} cache-write and output_tokens {output} add up to {input + output}"
        )
    details = usage.output_tokens_details
    reasoning = (details and details.reasoning_tokens) or 0
    if reasoning > output:
        raise _inconsistent(f"{reasoning} reasoning tokens do not fit into output_tokens {output}")
    return Counts(input, cached, written, output, reasoning)


def _written(usage: ProviderUsage) -> int:
    """Anthropic's cache writes, by their sum, their parts, or both where these agree."""
    whole, creation = usage.cache_creation_input_tokens, usage.cache_creation
    if creation is None or (creation.ephemeral_5m_input_tokens is None and creation.ephemeral_1h_input_tokens is None):
        return whole or 0
    parts = _split(creation)
    if whole not in (None, parts):
        raise _inconsistent(f"cache_creation_input_tokens is {whole}, but the parts in cache_creation add up to {parts}")
    return parts


def _split(creation: CacheCreation | None) -> int:
    if creation is None:
        return 0
    return (creation.ephemeral_5m_input_tokens or 0) + (creation.ephemeral_1h_input_tokens or 0)


def _gemini(usage: ProviderUsage) -> Counts:
    """Tool results are input beside the prompt, cached tokens are in the prompt, thoughts are output beside the candidates.

    Where the total shows that thoughts are in the candidates, that counts. Without a total they are outside, as Google
    documents them. Protocol buffers leave zeros out: without candidates a total that fits shows that there were none.
    """
    prompt = _either(usage.camel_prompt, usage.prompt_token_count, "promptTokenCount")
    candidates = _either(usage.camel_candidates, usage.candidates_token_count, "candidatesTokenCount")
    total = _either(usage.camel_total, usage.total_token_count, "totalTokenCount")
    cached = _either(usage.camel_cached, usage.cached_content_token_count, "cachedContentTokenCount") or 0
    tool_use = _either(usage.camel_tool_use, usage.tool_use_prompt_token_count, "toolUsePromptTokenCount") or 0
    thoughts = _either(usage.camel_thoughts, usage.thoughts_token_count, "thoughtsTokenCount") or 0
    if prompt is None:
        raise UsageRefused("usage_missing", "usage.promptTokenCount is missing.")
    if candidates is None and total is None:
        raise UsageRefused("usage_missing", "usage.candidatesTokenCount is missing.")
    if cached > prompt:
        raise _inconsistent(f"{cached} cached tokens do not fit into promptTokenCount {prompt}")
    input, said = _bounded(prompt + tool_use, "input tokens"), candidates or 0
    if total is None or total == input + said + thoughts:
        return Counts(input, cached, 0, _bounded(said + thoughts, "output tokens"), thoughts)
    if total == input + said and thoughts <= said:
        return Counts(input, cached, 0, said, thoughts)
    raise _inconsistent(
        f"totalTokenCount is {total}, but promptTokenCount {prompt}, toolUsePromptTokenCount {tool_use}, "
        f"candidatesTokenCount {said} and thoughtsTokenCount {thoughts} add up to {input + said + thoughts}"
    )


def _either(camel: int | None, snake: int | None, name: str) -> int | None:
    if camel is not None and snake is not None and camel != snake:
        raise _inconsistent(f"{name} is stated as {camel} and as {snake}")
    return snake if camel is None else camel


def _xai(usage: ProviderUsage) -> Counts:
    """OpenAI's chat shape with reasoning beside the completion, unless the total shows that it is inside.

    Without a total it is beside, as xAI documents it.
    """
    details, total, output = usage.completion_tokens_details, usage.total_tokens, usage.completion_tokens
    reasoning = (details and details.reasoning_tokens) or 0
    input_details = usage.prompt_tokens_details
    if usage.prompt_tokens is None:
        raise UsageRefused("usage_missing", "usage.prompt_tokens is missing.")
    if output is None:
        raise UsageRefused("usage_missing", "usage.completion_tokens is missing.")
    if isinstance(input_details, list):
        raise UsageRefused("usage_inconsistent", "usage.prompt_tokens_details is a list, which only Gemini's usage has.")
    cached, cache_write = _cached_of(input_details)
    if cached + cache_write > usage.prompt_tokens:
        raise _inconsistent(f"{cached} cached tokens do not fit into prompt_tokens {usage.prompt_tokens}")
    if total is None or total == usage.prompt_tokens + output + reasoning:
        output = _bounded(output + reasoning, "output tokens")
    elif total != usage.prompt_tokens + output or reasoning > output:
        raise _inconsistent(
            f"total_tokens is {total}, but prompt_tokens {usage.prompt_tokens}, completion_tokens {output} "
            f"and {reasoning} reasoning tokens add up to {usage.prompt_tokens + output + reasoning}"
        )
    return Counts(usage.prompt_tokens, cached, cache_write, output, reasoning)


def _bounded(tokens: int, what: str) -> int:
    if tokens > MAX_TOKENS:
        raise UsageRefused("usage_too_large", f"The usage adds up to {tokens} {what}, which is more than {MAX_TOKENS}.")
    return tokens


def _inconsistent(what: str) -> UsageRefused:
    return UsageRefused("usage_inconsistent", f"The usage contradicts itself: {what}.")
