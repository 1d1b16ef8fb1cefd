"""Qwen on DashScope: cache writes among the details of the prompt, in OpenAI's shape or with DashScope's own names."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import LEAVES as CHAT_LEAVES
from metering.ingest.formats.dialects.openai.chat import count_chat
from metering.ingest.formats.dialects.openai.inclusive import count_inclusive
from metering.ingest.formats.dialects.openai.responses import DIALECT as RESPONSES
from metering.ingest.formats.dialects.openai.responses import NAMES
from metering.ingest.formats.dialects.shape import (
    CACHE_WRITE,
    CACHED_INPUT,
    PART,
    WEB_SEARCH,
    Dialect,
    Meaning,
)

DETAILS = "prompt_tokens_details."
WRITTEN, SHORT = f"{DETAILS}cache_creation_input_tokens", f"{DETAILS}cache_creation.ephemeral_5m_input_tokens"
SEARCHES = "plugins.search.count"
BILLED = "x_details[]."  # the same once more, by kind of billing
LEAVES: dict[str, Meaning] = {
    **RESPONSES.leaves,
    **CHAT_LEAVES,
    "prompt_tokens_details.cached_tokens": CACHED_INPUT,
    WRITTEN: CACHE_WRITE,
    SHORT: CACHE_WRITE,
    SEARCHES: WEB_SEARCH,
    **dict.fromkeys((f"{BILLED}{path}" for path in (*RESPONSES.leaves, *CHAT_LEAVES)), PART),
    **dict.fromkeys((f"{BILLED}{path}" for path in (WRITTEN, SHORT)), PART),
}


def _recognises(usage: Usage) -> bool:
    if not usage.states("prompt_tokens", "input_tokens"):
        return False
    if usage.states(WRITTEN, SHORT, f"{DETAILS}cache_type", SEARCHES) or usage.under(BILLED):
        return True
    return not usage.states("prompt_tokens") and usage.under(DETAILS)


def _count(usage: Usage) -> Counts | Reading:
    searches = usage.of(SEARCHES)
    writes = (WRITTEN, SHORT)
    if usage.states("prompt_tokens"):
        return count_chat(usage, written_names=writes, web_searches=searches)
    cached = (f"{DETAILS}cached_tokens",)
    return count_inclusive(usage, *NAMES, cached_names=cached, written_names=writes, web_searches=searches)


DIALECT = Dialect("qwen", _recognises, _count, LEAVES, precedence=50)
