"""DeepSeek: a chat whose prompt is what hit the cache and what missed it."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import LEAVES as CHAT_LEAVES
from metering.ingest.formats.dialects.openai.chat import count_chat
from metering.ingest.formats.dialects.shape import CACHED_INPUT, CHECK, Dialect, Meaning, inconsistent

HIT, MISS = "prompt_cache_hit_tokens", "prompt_cache_miss_tokens"
LEAVES: dict[str, Meaning] = {**CHAT_LEAVES, HIT: CACHED_INPUT, MISS: CHECK}


def _recognises(usage: Usage) -> bool:
    return usage.states("prompt_tokens") and usage.states(HIT, MISS)


def _count(usage: Usage) -> Counts | Reading:
    prompt = usage.of("prompt_tokens")
    if usage.states(MISS) and usage.of(HIT) + usage.of(MISS) != prompt:
        raise inconsistent(f"{HIT} {usage.of(HIT)} and {MISS} {usage.of(MISS)} do not add up to prompt_tokens {prompt}")
    return count_chat(usage, also={"cached_input": (HIT,)})


DIALECT = Dialect("deepseek", _recognises, _count, LEAVES, precedence=50)
