"""Qwen on DashScope: cache writes among the details of the prompt, in OpenAI's shape or with DashScope's own names."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import EITHER_LEAVES, count_either
from metering.ingest.formats.dialects.shape import (
    AUDIO_INPUT,
    CACHE_WRITE,
    CACHED_INPUT,
    IMAGE_INPUT,
    PART,
    VIDEO_INPUT,
    WEB_SEARCH,
    Dialect,
    Meaning,
)

DETAILS = "prompt_tokens_details."
WRITTEN, SHORT = f"{DETAILS}cache_creation_input_tokens", f"{DETAILS}cache_creation.ephemeral_5m_input_tokens"
# Of its own shape, and of the responses endpoint; that has other tools, of which nothing is known.
SEARCHES = ("plugins.search.count", "x_tools.web_search.count")
# In DashScope's own shape, at the top and inside the input.
MEDIA = {"audio_tokens": AUDIO_INPUT, "image_tokens": IMAGE_INPUT, "video_tokens": VIDEO_INPUT}
BILLED = "x_details[]."  # the same once more, by kind of billing
LEAVES: dict[str, Meaning] = {
    **EITHER_LEAVES,
    "prompt_tokens_details.cached_tokens": CACHED_INPUT,
    WRITTEN: CACHE_WRITE,
    SHORT: CACHE_WRITE,
    **dict.fromkeys(SEARCHES, WEB_SEARCH),
    **MEDIA,
    **dict.fromkeys((f"{BILLED}{path}" for path in EITHER_LEAVES), PART),
    **dict.fromkeys((f"{BILLED}{path}" for path in (WRITTEN, SHORT)), PART),
}


def _recognises(usage: Usage) -> bool:
    if not usage.states("prompt_tokens", "input_tokens"):
        return False
    if usage.states(WRITTEN, SHORT, f"{DETAILS}cache_type", *SEARCHES) or usage.under(BILLED):
        return True
    return not usage.states("prompt_tokens") and (usage.under(DETAILS) or usage.states(*MEDIA))


def _count(usage: Usage) -> Counts | Reading:
    also: dict[str, tuple[str, ...]] = {"cache_write": (WRITTEN, SHORT), "web_search": SEARCHES}
    if not usage.states("prompt_tokens"):
        also["cached_input"] = (f"{DETAILS}cached_tokens",)
        also |= {component.name: (name,) for name, component in MEDIA.items()}
    return count_either(usage, also=also)


DIALECT = Dialect("qwen", _recognises, _count, LEAVES, precedence=50)
