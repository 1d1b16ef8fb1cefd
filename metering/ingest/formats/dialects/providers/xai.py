"""xAI: OpenAI's shapes with reasoning beside the output, unless the total shows that it is inside.

Without a total, a chat's reasoning is beside the completion, as xAI documents it, if the gateway names the dialect: the shape
alone does not tell. Searches are billed by the call; before they were calls, by the source.
"""

from decimal import Decimal

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Number, Usage
from metering.ingest.formats.dialects.openai.chat import EITHER_LEAVES, count_either
from metering.ingest.formats.dialects.shape import CHECK, INFORMATION, PART, WEB_SEARCH, Dialect, Meaning, missing

SOURCES = "num_sources_used"
TOOLS = "server_side_tool_usage_details."
CALLS, ALL_CALLS = f"{TOOLS}web_search_calls", "num_server_side_tools_used"
COST, TICKS = "cost_in_usd_ticks", 10  # decimals of a dollar
TEXT = ("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details")
LEAVES: dict[str, Meaning] = {
    **EITHER_LEAVES,
    # All of these cost what its text does.
    **dict.fromkeys((f"{details}.audio_tokens" for details in TEXT), PART),
    "prompt_tokens_details.image_tokens": PART,
    "input_tokens_details.image_tokens": PART,
    SOURCES: WEB_SEARCH,
    CALLS: WEB_SEARCH,
    ALL_CALLS: CHECK,
    COST: INFORMATION,
}


def _recognises(usage: Usage) -> bool:
    """A chat's shape, whose total is only reached when reasoning is added to the completion; or xAI's own names."""
    own = usage.states(SOURCES, ALL_CALLS, COST) or usage.under(TOOLS)
    prompt, reasoning = usage.get("prompt_tokens"), usage.of("completion_tokens_details.reasoning_tokens")
    if prompt is None:
        return own and usage.states("input_tokens")
    if own:
        return True
    return bool(reasoning) and usage.get("total_tokens") == prompt + usage.of("completion_tokens") + reasoning


def _count(usage: Usage) -> Counts | Reading:
    is_chat = usage.states("prompt_tokens")
    if is_chat and not usage.states("completion_tokens"):
        raise missing("completion_tokens")
    beside = is_chat or usage.states("total_tokens")
    return count_either(usage, also={"web_search": (_searches(usage),)}, reasoning_beside=beside, all_is_text=True)


def _searches(usage: Usage) -> str:
    """Where the searches stand. Where there were calls, what they found is said again.

    So is the number of all calls, if it is the sum of those by their kind: another one waits for a decision.
    """
    if usage.numbers.get(ALL_CALLS) == sum(number for path, number in usage.numbers.items() if path.startswith(TOOLS)):
        usage.asked.add(ALL_CALLS)
    if not usage.of(CALLS):
        return SOURCES
    usage.asked.add(SOURCES)
    return CALLS


def _stated_cost(usage: Usage) -> Number | None:
    ticks = usage.numbers.get(COST)
    return None if ticks is None else Decimal(ticks).scaleb(-TICKS)


DIALECT = Dialect("xai", _recognises, _count, LEAVES, precedence=30, stated_cost=_stated_cost)
