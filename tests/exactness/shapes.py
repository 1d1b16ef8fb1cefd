"""Usage objects as providers send them: the same tokens in any dialect, whole or sparing, and now and then contradictory."""

from typing import Any

from hypothesis import strategies as st

from tests.exactness.reading import MOST, STRANGE, TEXTS, Tokens, used

SIZES = [10, 0, 1, 2, 9, 11, 1_000, 199_999, 200_001, 200_000]  # thresholds at the ends, which are drawn more often
DIALECTS = ["openai.chat", "openai.responses", "anthropic", "gemini", "xai", "mistral", "openai.transcription", "openai.chat"]
WRONG = [-1, MOST, MOST + 1, 2**53 + 1, 2**63, 1.5, "7", True, None]


@st.composite
def tokens(draw: st.DrawFn) -> Tokens:
    """Often just at a threshold, and now and then as many as can be."""
    whole = draw(st.one_of(st.sampled_from(SIZES), st.sampled_from(SIZES), st.integers(0, 2**30)))
    cached = draw(st.one_of(st.just(0), st.sampled_from([1, 10, 200_000]), st.integers(0, whole)))
    cached = min(cached, whole)
    written = min(draw(st.sampled_from([0, 0, 1, 11])), whole - cached)
    output = draw(st.one_of(st.sampled_from(SIZES), st.sampled_from(SIZES), st.integers(0, 2**30)))
    reasoning = min(draw(st.sampled_from([0, 0, 1, 10, MOST])), output)
    others = used(
        audio_input=min(draw(st.sampled_from([0, 0, 1, 9])), whole - cached - written),
        cached_audio_input=min(draw(st.sampled_from([0, 0, 1, 9])), cached),
        audio_output=min(draw(st.sampled_from([0, 0, 1, 10])), output - reasoning),
        web_search=draw(st.sampled_from([0, 0, 1, 3])),
        page=draw(st.sampled_from([0, 1, 3])),
        audio_duration=draw(st.sampled_from([0, 1, 1_500, MOST])),
    )
    return Tokens(whole - cached - written, cached, written, output, reasoning, others)


@st.composite
def manners(draw: st.DrawFn) -> dict[str, Any]:
    """How a provider puts it, whatever the tokens are."""
    dialect = draw(st.sampled_from(DIALECTS))
    return {
        "dialect": dialect,
        "named": draw(st.sampled_from([*[dialect] * 5, *[None] * 5, "xai", "openai.chat"])),
        "total": draw(st.sampled_from([True, True, False])),
        "zeros": draw(st.sampled_from(["stated", "left out", "null"])),
        "variant": draw(st.booleans()),
        "tier": draw(st.sampled_from([*[None] * 6, "standard", "priority", "Flex"])),
        "speed": draw(st.sampled_from([*[None] * 5, "standard", "fast"])),
        "strange": draw(st.sampled_from([*[0] * 4, 1, 7])),
        "fault": draw(st.sampled_from([*[False] * 8, True, *[False] * 8])),
        "where": draw(st.integers(0, 7)),
        "wrong": draw(st.sampled_from([*WRONG, "+1", "+1", "-1", "-1"])),
    }


def express(counts: Tokens, manner: dict[str, Any]) -> dict[str, Any]:
    """`usage` and `dialect`, as an event or a correction has them."""
    usage = SHAPES[manner["dialect"]](counts, manner)
    if manner["fault"]:
        usage = spoilt(usage, manner["where"], manner["wrong"])
    dialect = manner["named"]
    if dialect != manner["dialect"] and manner["dialect"] not in ("openai.chat", "xai"):
        dialect = None  # the others' shapes under a wrong name are another test's
    return {"usage": usage} if dialect is None else {"usage": usage, "dialect": dialect}


def details(manner: dict[str, Any], **parts: int) -> dict[str, Any] | None:
    if manner["zeros"] == "stated":
        return dict(parts)
    said = {name: count for name, count in parts.items() if count}
    if manner["zeros"] == "null":
        return {name: parts[name] or None for name in parts} if said else None
    return said


def openai(counts: Tokens, manner: dict[str, Any], input: str, output: str) -> dict[str, Any]:
    whole = sum(counts[:3])
    usage: dict[str, Any] = {input: whole, output: counts.output}
    if counts.output == 0 and manner["zeros"] == "left out":
        del usage[output]
    if manner["total"]:
        usage["total_tokens"] = whole + counts.output
    # Audio stands in it only where nobody could take it for xAI's, whose audio is text.
    has_audio = manner["named"] in (None, manner["dialect"]) and not counts.reasoning
    others = dict(counts.others) if has_audio else {}
    parts = {"cached_tokens": counts.cached, "cache_write_tokens": counts.cache_write}
    usage[f"{input}_details"] = details(manner, **parts, **audio(others, "audio_input"))
    if "audio_input" in others and manner["variant"]:
        usage[f"{input}_details"] = (usage[f"{input}_details"] or {}) | by_modality(counts, others)
    usage[f"{output}_details"] = details(manner, reasoning_tokens=counts.reasoning, **audio(others, "audio_output"))
    return usage


def by_modality(counts: Tokens, others: dict[str, int]) -> dict[str, Any]:
    """What of the input, and of the cached tokens in it, was audio."""
    kept = others.get("cached_audio_input", 0)
    heard = others["audio_input"] + kept
    split = {"text_tokens": counts.cached - kept, "audio_tokens": kept}
    return {"text_tokens": sum(counts[:3]) - heard, "audio_tokens": heard, "cached_tokens_details": split}


def audio(others: dict[str, int], name: str) -> dict[str, int]:
    return {"audio_tokens": others[name]} if name in others else {}


def chat(counts: Tokens, manner: dict[str, Any]) -> dict[str, Any]:
    usage = openai(counts, manner, "prompt_tokens", "completion_tokens")
    return usage | {STRANGE: manner["strange"]} if manner["strange"] else usage


def pages(counts: Tokens, manner: dict[str, Any]) -> dict[str, Any]:
    return {"pages_processed": dict(counts.others).get("page", 0)}


def duration(counts: Tokens, manner: dict[str, Any]) -> dict[str, Any]:
    milliseconds = dict(counts.others).get("audio_duration", 0)
    return {"type": "duration", "seconds": milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000}


def responses(counts: Tokens, manner: dict[str, Any]) -> dict[str, Any]:
    return openai(counts, manner, "input_tokens", "output_tokens")


def anthropic(counts: Tokens, manner: dict[str, Any]) -> dict[str, Any]:
    usage: dict[str, Any] = {"input_tokens": counts.uncached, "output_tokens": counts.output}
    usage |= details(manner, cache_read_input_tokens=counts.cached, cache_creation_input_tokens=counts.cache_write) or {}
    if manner["variant"]:
        short = counts.cache_write // 2
        parts = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": counts.cache_write - short}
        usage["cache_creation"] = details(manner, **parts)
    searches = dict(counts.others).get("web_search")
    if searches:
        # With a count of the cache beside it, which no other shape has.
        usage |= {"cache_read_input_tokens": counts.cached, "server_tool_use": {"web_search_requests": searches}}
    served = {"service_tier": manner["tier"], "speed": manner["speed"]}
    return usage | {name: said for name, said in served.items() if said}


def gemini(counts: Tokens, manner: dict[str, Any]) -> dict[str, Any]:
    """Tools used half of the uncached where they say so; `variant` has the thoughts inside, which only a total shows."""
    whole, inside = sum(counts[:3]), manner["variant"] and manner["total"]
    tools = counts.uncached // 2 if manner["zeros"] == "stated" else 0
    usage: dict[str, Any] = {
        "promptTokenCount": whole - tools,
        "candidatesTokenCount": counts.output - (0 if inside else counts.reasoning),
    }
    if manner["total"]:
        usage["totalTokenCount"] = whole + counts.output
        if not usage["candidatesTokenCount"] and manner["zeros"] == "left out":
            del usage["candidatesTokenCount"]
    more = {
        "toolUsePromptTokenCount": tools,
        "cachedContentTokenCount": counts.cached,
        "thoughtsTokenCount": counts.reasoning,
    }
    usage |= details(manner, **more) or {}
    return usage if manner["named"] else {snake(name): count for name, count in usage.items()}


def snake(camel: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)


def xai(counts: Tokens, manner: dict[str, Any]) -> dict[str, Any]:
    whole, inside = sum(counts[:3]), manner["variant"] and manner["total"]
    usage: dict[str, Any] = {
        "prompt_tokens": whole,
        "completion_tokens": counts.output - (0 if inside else counts.reasoning),
        "prompt_tokens_details": details(manner, cached_tokens=counts.cached),
        "completion_tokens_details": details(manner, reasoning_tokens=counts.reasoning),
    }
    if manner["total"]:
        usage["total_tokens"] = whole + counts.output
    return usage


SHAPES = {
    "openai.chat": chat,
    "openai.responses": responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "xai": xai,
    "mistral": pages,
    "openai.transcription": duration,
}


def simple(inside: dict[str, Any]) -> list[str]:
    return [name for name, value in inside.items() if not isinstance(value, dict)]


def spoilt(usage: dict[str, Any], where: int, wrong: Any) -> dict[str, Any]:
    """With one of its counts replaced, or off by one."""
    said = {name: value for name, value in usage.items() if name not in (*TEXTS, STRANGE)}
    counted = {name: value for name, value in said.items() if not isinstance(value, dict) and not name.endswith("details")}
    paths = [("", name) for name in counted]
    paths += [(name, part) for name, value in usage.items() if isinstance(value, dict) for part in simple(value)]
    above, name = paths[where % len(paths)]
    spoilt = {each: dict(value) if isinstance(value, dict) else value for each, value in usage.items()}
    place: dict[str, Any] = spoilt[above] if above else spoilt
    place[name] = (place[name] or 0) + int(wrong) if wrong in ("+1", "-1") else wrong
    return spoilt
