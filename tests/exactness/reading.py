"""What a provider's usage object says, by the table of dialects alone: the second opinion. No project code."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

MOST = 2**31 - 1
TEXTS = ("type", "service_tier", "speed")  # what is said in words
STRANGE = "strange"  # a number in chats that nobody knows until a rule says what it is
ANTHROPICS_OWN = ("speed", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")


class Tokens(NamedTuple):
    """Disjoint, but for `reasoning`, which is a part of `output`."""

    uncached: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    # Further components and how much of each, by name; each within its whole.
    others: tuple[tuple[str, int], ...] = ()


def used(**others: int) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, quantity) for name, quantity in others.items() if quantity))


def read(usage: dict[str, Any], dialect: str | None, rule: str | None = None) -> Tokens | None:
    """The tokens, or None where nobody can tell: a count that is none, or parts that contradict each other.

    `rule` is the component that the strange number is, empty where it is none; None while nobody knows.
    """
    said = leaves({name: value for name, value in usage.items() if name not in TEXTS})
    strange = said.pop(STRANGE, 0)
    if any(not is_count(name, count) for name, count in said.items()):
        return None
    dialect = dialect or inferred(usage, said)
    if strange and (rule is None or dialect != "openai.chat"):
        return None
    tokens = DIALECTS[dialect](said)
    if tokens is not None and strange and rule:
        tokens = ruled(tokens, rule, strange)
    if tokens is None or min(tokens[:5]) < 0 or tokens.reasoning > tokens.output:
        return None
    others = dict(tokens.others)
    if others.get("audio_input", 0) > tokens.uncached or others.get("cache_write_1h", 0) > tokens.cache_write:
        return None
    if others.get("audio_output", 0) > tokens.output - tokens.reasoning:
        return None
    return tokens if sum(tokens[:3]) <= MOST and tokens.output <= MOST else None


def is_count(name: str, count: Any) -> bool:
    """Only seconds have a fraction."""
    return type(count) in ((int, float) if name == "seconds" else (int,)) and 0 <= count <= MOST


def ruled(tokens: Tokens, component: str, number: int) -> Tokens:
    """With what a rule says that a number is: cached tokens are within the input, others are beside everything."""
    if component == "cached_input":
        return tokens._replace(uncached=tokens.uncached - number, cached=tokens.cached + number)
    others = dict(tokens.others)
    return tokens._replace(others=used(**others | {component: others.get(component, 0) + number}))


def leaves(usage: dict[str, Any], under: str = "") -> dict[str, Any]:
    """Every count by its path; null is the same as nothing."""
    found: dict[str, Any] = {}
    for name, value in usage.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{under}{name}.")
        elif value is not None:
            found[under + name] = value
    return found


def inferred(usage: dict[str, Any], said: dict[str, int]) -> str:
    """The dialect of a shape that names none."""
    if usage.get("type") == "duration":
        return "openai.transcription"
    if "pages_processed" in said:
        return "mistral"
    if "promptTokenCount" in said or "prompt_token_count" in said:
        return "gemini"
    if "prompt_tokens" in said:
        reasoning = said.get("completion_tokens_details.reasoning_tokens", 0)
        whole = said["prompt_tokens"] + said.get("completion_tokens", 0) + reasoning
        return "xai" if reasoning and said.get("total_tokens") == whole else "openai.chat"
    if "input_tokens" in said:
        return "anthropic" if any(usage.get(name) is not None for name in ANTHROPICS_OWN) else "openai.responses"
    return "gemini" if "totalTokenCount" in said or "total_token_count" in said else "nothing"


def chat(said: dict[str, int]) -> Tokens | None:
    return inclusive(said, "prompt_tokens", "completion_tokens")


def responses(said: dict[str, int]) -> Tokens | None:
    return inclusive(said, "input_tokens", "output_tokens")


def inclusive(said: dict[str, int], input_name: str, output_name: str) -> Tokens | None:
    """Details are inside; without an output only a total that needs none will do."""
    if input_name not in said:
        return None
    whole, total = said[input_name], said.get("total_tokens")
    output = said.get(output_name, 0 if total == whole else None)
    if output is None or total not in (None, whole + output):
        return None
    cached = said.get(f"{input_name}_details.cached_tokens", 0)
    written = said.get(f"{input_name}_details.cache_write_tokens", 0)
    reasoning = said.get(f"{output_name}_details.reasoning_tokens", 0)
    audio = [said.get(f"{name}_details.audio_tokens", 0) for name in (input_name, output_name)]
    text, split = said.get(f"{input_name}_details.text_tokens", 0), f"{input_name}_details.cached_tokens_details."
    beside = text + audio[0] + cached == whole  # the cached tokens are in no modality
    cached_audio, cached_text = said.get(f"{split}audio_tokens", 0), said.get(f"{split}text_tokens")
    if cached_text is not None or f"{split}audio_tokens" in said:
        if cached_audio + (cached_text or 0) > cached or cached_text not in (None, cached - cached_audio):
            return None
    elif cached and audio[0] and not beside:
        return None  # nobody knows which of them were cached
    uncached_audio = audio[0] - (0 if beside else cached_audio)
    if uncached_audio < 0:
        return None
    others = used(audio_input=uncached_audio, cached_audio_input=cached_audio, audio_output=audio[1])
    return Tokens(whole - cached - written, cached, written, output, reasoning, others)


def anthropic(said: dict[str, int]) -> Tokens | None:
    """The cached are beside the input."""
    if "input_tokens" not in said or "output_tokens" not in said:
        return None
    if said.get("cache_creation"):
        return None  # a number where only its parts stand
    parts = [said[name] for name in said if name.startswith("cache_creation.")]
    written = said.get("cache_creation_input_tokens", sum(parts))
    if parts and written != sum(parts):
        return None
    uncached, cached, output = said["input_tokens"], said.get("cache_read_input_tokens", 0), said["output_tokens"]
    if said.get("total_tokens") not in (None, uncached + cached + written + output):
        return None
    one_hour = said.get("cache_creation.ephemeral_1h_input_tokens", 0)
    others = used(cache_write_1h=one_hour, web_search=said.get("server_tool_use.web_search_requests", 0))
    return Tokens(uncached, cached, written, output, 0, others)


def gemini(said: dict[str, int]) -> Tokens | None:
    """Tools beside the prompt, cached inside it; the total tells where the thoughts are, and without one they are outside."""
    prompt, candidates = either(said, "promptTokenCount"), either(said, "candidatesTokenCount")
    total, thoughts = either(said, "totalTokenCount"), either(said, "thoughtsTokenCount") or 0
    if prompt is None or (candidates is None and total is None):
        return None
    cached, whole, output = either(said, "cachedContentTokenCount") or 0, prompt, candidates or 0
    if cached > prompt:
        return None
    whole += either(said, "toolUsePromptTokenCount") or 0
    outputs = {None: output + thoughts, whole + output: output, whole + output + thoughts: output + thoughts}
    if total not in outputs:
        return None
    return Tokens(whole - cached, cached, 0, outputs[total], thoughts)


def either(said: dict[str, int], camel: str) -> int | None:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)
    return said.get(camel, said.get(snake))


def xai(said: dict[str, int]) -> Tokens | None:
    """As chat, with the reasoning beside the completion unless the total shows it inside."""
    if "prompt_tokens" not in said or "completion_tokens" not in said:
        return None
    prompt, completion = said["prompt_tokens"], said["completion_tokens"]
    reasoning = said.get("completion_tokens_details.reasoning_tokens", 0)
    outside = completion + reasoning
    outputs = {None: outside, prompt + completion: completion, prompt + outside: outside}
    total = said.get("total_tokens")
    if total not in outputs:
        return None
    cached = said.get("prompt_tokens_details.cached_tokens", 0)
    written = said.get("prompt_tokens_details.cache_write_tokens", 0)
    return Tokens(prompt - cached - written, cached, written, outputs[total], reasoning)


def pages(said: dict[str, int]) -> Tokens | None:
    return Tokens(0, 0, 0, 0, 0, used(page=said["pages_processed"])) if "pages_processed" in said else None


def duration(said: dict[str, int]) -> Tokens | None:
    """In whole milliseconds."""
    if "seconds" not in said:
        return None
    exact = Decimal(str(said["seconds"])) * 1000
    milliseconds = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    return Tokens(0, 0, 0, 0, 0, used(audio_duration=milliseconds)) if milliseconds <= MOST else None


DIALECTS = {
    "mistral": pages,
    "openai.transcription": duration,
    "openai.chat": chat,
    "openai.responses": responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "xai": xai,
    "nothing": lambda said: None,
}
