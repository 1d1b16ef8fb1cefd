"""Gemini: tool results are input beside the prompt, cached tokens are in the prompt, thoughts are output beside the candidates.

Where the total shows that thoughts are in the candidates, that counts. Without a total they are outside, as Google documents
them. Protocol buffers leave zeros out: without candidates a total that fits shows that there were none. The live models call
candidates a response. Lists by modality say what of it was audio, image or video.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai import chat, responses
from metering.ingest.formats.dialects.providers import xai
from metering.ingest.formats.dialects.shape import (
    AUDIO_INPUT,
    AUDIO_OUTPUT,
    CACHED_AUDIO,
    CACHED_IMAGE,
    CACHED_INPUT,
    CHECK,
    IMAGE_INPUT,
    IMAGE_OUTPUT,
    INPUT,
    NO_NAMES,
    OUTPUT,
    PART,
    REASONING,
    VIDEO_INPUT,
    Dialect,
    Meaning,
    Role,
    agreed,
    bounded,
    inconsistent,
    missing,
    tally,
)


def snake(camel: str) -> str:
    """As Google's Python SDK dumps a name."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)


def both(camel: str) -> tuple[str, str]:
    return camel, snake(camel)


PROMPT, TOOL_USE, CACHED = both("promptTokenCount"), both("toolUsePromptTokenCount"), both("cachedContentTokenCount")
CANDIDATES = (*both("candidatesTokenCount"), *both("responseTokenCount"))
THOUGHTS, TOTAL = both("thoughtsTokenCount"), both("totalTokenCount")
INPUTS: dict[str, Meaning] = {"TEXT": PART, "DOCUMENT": PART, "AUDIO": AUDIO_INPUT, "IMAGE": IMAGE_INPUT, "VIDEO": VIDEO_INPUT}
CACHES: dict[str, Meaning] = {"TEXT": PART, "DOCUMENT": PART, "AUDIO": CACHED_AUDIO, "IMAGE": CACHED_IMAGE, "VIDEO": PART}
OUTPUTS: dict[str, Meaning] = {"TEXT": PART, "AUDIO": AUDIO_OUTPUT, "IMAGE": IMAGE_OUTPUT}
LISTS = {
    "promptTokensDetails": INPUTS,
    "toolUsePromptTokensDetails": INPUTS,
    "cacheTokensDetails": CACHES,
    "candidatesTokensDetails": OUTPUTS,
    "responseTokensDetails": OUTPUTS,
}


@cache
def in_list(name: str, modality: str) -> tuple[str, str]:
    """The paths of one modality's count in a list."""
    return f"{name}[{modality}].tokenCount", f"{snake(name)}[{modality}].token_count"


LEAVES: dict[str, Meaning] = {
    **dict.fromkeys((*chat.LEAVES, *responses.DIALECT.leaves), Role.CHECK),
    **dict.fromkeys((*PROMPT, *TOOL_USE), INPUT),
    **dict.fromkeys(CACHED, CACHED_INPUT),
    **dict.fromkeys(CANDIDATES, OUTPUT),
    **dict.fromkeys(THOUGHTS, REASONING),
    **dict.fromkeys(TOTAL, CHECK),
    **{
        path: meaning
        for name, modalities in LISTS.items()
        for modality, meaning in modalities.items()
        for path in in_list(name, modality)
    },
}


def _recognises(usage: Usage) -> bool:
    """By its prompt; where no other shape states one, by its total."""
    if usage.states(*PROMPT):
        return True
    return usage.states(*TOTAL) and not usage.states("prompt_tokens", "input_tokens")


def _refuse_other_counts(usage: Usage, own: Counts | Reading) -> None:
    """Gemini's shape beside another is one answer when both count the same, and else none."""
    if not usage.states("prompt_tokens", "input_tokens"):
        return
    others = (chat.DIALECT, xai.DIALECT) if usage.states("prompt_tokens") else (responses.DIALECT,)
    counts = own if isinstance(own, Counts) else own.counts
    for other in others:
        read = other.count(usage)
        if (read if isinstance(read, Counts) else read.counts)[:4] == counts[:4]:
            return
    raise inconsistent("it has Gemini's token counts beside others that say something else: name the dialect")


def _count(usage: Usage) -> Counts | Reading:
    prompt, candidates, total = agreed(usage, *PROMPT), agreed(usage, *CANDIDATES), agreed(usage, *TOTAL)
    cached, tool_use = agreed(usage, *CACHED) or 0, agreed(usage, *TOOL_USE) or 0
    thoughts = agreed(usage, *THOUGHTS) or 0
    if prompt is None:
        raise missing("promptTokenCount")
    if candidates is None and total is None:
        raise missing("candidatesTokenCount")
    if cached > prompt:
        raise inconsistent(f"{cached} cached tokens do not fit into promptTokenCount {prompt}")
    input, said = bounded(prompt + tool_use, "input tokens"), candidates or 0
    if total is None or total == input + said + thoughts:
        output = bounded(said + thoughts, "output tokens")
    elif total == input + said and thoughts <= said:
        output = said
    else:
        raise inconsistent(
            f"totalTokenCount is {total}, but promptTokenCount {prompt}, toolUsePromptTokenCount {tool_use}, "
            f"candidatesTokenCount {said} and thoughtsTokenCount {thoughts} add up to {input + said + thoughts}"
        )
    _check_lists(usage, {"promptTokensDetails": (prompt, cached), "toolUsePromptTokensDetails": (tool_use,)})
    _check_lists(usage, {"cacheTokensDetails": (cached,)})
    _check_lists(usage, dict.fromkeys(("candidatesTokensDetails", "responseTokensDetails"), (said, thoughts)))
    read = tally(input, output, cached, 0, thoughts, NO_NAMES, **_modalities(usage, cached))
    _refuse_other_counts(usage, read)
    return read


def _check_lists(usage: Usage, counts: Mapping[str, Sequence[int]]) -> None:
    """Where text is in a list by modality, that is all of its count, or all without what may be beside. Raises UsageRefused."""
    if not usage.lists:
        return
    for name, (whole, *beside) in counts.items():
        listed = sum(_listed(usage, modality, name) for modality in LISTS[name])
        in_text = _listed(usage, "TEXT", name) or _listed(usage, "DOCUMENT", name)
        if listed > whole or (in_text and listed not in (whole, *(whole - each for each in beside))):
            raise inconsistent(f"the modalities in {name} add up to {listed}, not to {whole}")


def _modalities(usage: Usage, cached: int) -> dict[str, int]:
    """What of the counts was audio, image or video; of the input without what was cached of it."""
    if not usage.lists:
        return {}
    inputs = {each: _listed(usage, each, "promptTokensDetails", "toolUsePromptTokensDetails") for each in INPUTS}
    kept = {each: _listed(usage, each, "cacheTokensDetails") for each in INPUTS}
    media = [each for each in ("AUDIO", "IMAGE", "VIDEO") if inputs[each]]
    if cached and media and not any(kept.values()):
        raise inconsistent(f"it does not say which of {cached} cached tokens are {' or '.join(media)}")
    return {
        "audio_input": inputs["AUDIO"] - kept["AUDIO"],
        "image_input": inputs["IMAGE"] - kept["IMAGE"],
        "video_input": inputs["VIDEO"] - kept["VIDEO"],
        "cached_audio_input": kept["AUDIO"],
        "cached_image_input": kept["IMAGE"],
        "audio_output": _listed(usage, "AUDIO", "candidatesTokensDetails", "responseTokensDetails"),
        "image_output": _listed(usage, "IMAGE", "candidatesTokensDetails", "responseTokensDetails"),
    }


def _listed(usage: Usage, modality: str, *lists: str) -> int:
    return sum(agreed(usage, *in_list(name, modality)) or 0 for name in lists)


DIALECT = Dialect("gemini", _recognises, _count, LEAVES, precedence=80)
