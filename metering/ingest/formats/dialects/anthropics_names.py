"""Anthropic's names of cached tokens and of its server's tools, which proxies repeat in OpenAI's shapes."""

from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    CACHE_WRITE,
    CACHE_WRITE_1H,
    CACHED_INPUT,
    INFORMATION,
    WEB_SEARCH,
    Meaning,
    inconsistent,
)

READS, WRITES = "cache_read_input_tokens", "cache_creation_input_tokens"
SHORT_WRITES, LONG_WRITES = "cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens"
# The sum of the cache writes, and each of its parts, count them; where both are stated they must agree.
CACHE_LEAVES: dict[str, Meaning] = {
    READS: CACHED_INPUT,
    WRITES: CACHE_WRITE,
    SHORT_WRITES: CACHE_WRITE,
    LONG_WRITES: CACHE_WRITE_1H,
}
SEARCHES = "server_tool_use.web_search_requests"
# What is used beside tokens. Fetching pages and searching for tools cost nothing but the tokens that they bring. Code that runs
# is billed by the hours of its container, which no response states: the number of runs says nothing of what they cost.
TOOL_LEAVES: dict[str, Meaning] = {
    SEARCHES: WEB_SEARCH,
    "server_tool_use.web_fetch_requests": INFORMATION,
    "server_tool_use.tool_search_requests": INFORMATION,
    "server_tool_use.code_execution_requests": INFORMATION,
}


def written_tokens(usage: Usage) -> int:
    """The cache writes, by their sum, their parts, or both where these agree. Raises UsageRefused."""
    whole = usage.get(WRITES)
    if not usage.states(SHORT_WRITES, LONG_WRITES):
        return whole or 0
    split = usage.of(SHORT_WRITES) + usage.of(LONG_WRITES)
    check_writes(split if whole is None else whole, split)
    return split


def check_writes(whole: int, *parts: int | None, partly: bool = False) -> None:
    """Raises UsageRefused unless the parts make the whole, or `partly` fit into it where one of them is not stated."""
    split = sum(part or 0 for part in parts)
    if split > whole or (split != whole and not (partly and None in parts)):
        raise inconsistent(f"the cache writes are {whole}, but their parts add up to {split}")
