"""vLLM: a chat with the number of cached tokens at the top, or a response whose tokens are stated once more by turn."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.chat import EITHER_LEAVES, count_either
from metering.ingest.formats.dialects.shape import CACHED_INPUT, PART, Dialect, Meaning

CACHED = "num_cached_tokens"
TURNS = (
    "input_tokens_details.input_tokens_per_turn",
    "input_tokens_details.cached_tokens_per_turn",
    "output_tokens_details.output_tokens_per_turn",
    "output_tokens_details.tool_output_tokens_per_turn",
)
LEAVES: dict[str, Meaning] = {
    **EITHER_LEAVES,
    CACHED: CACHED_INPUT,
    "output_tokens_details.tool_output_tokens": PART,
    **dict.fromkeys((f"{path}[]" for path in TURNS), PART),
}


def _recognises(usage: Usage) -> bool:
    if usage.states("prompt_tokens"):
        return usage.states(CACHED)
    return usage.states("input_tokens") and not usage.lists.isdisjoint(TURNS)


def _count(usage: Usage) -> Counts | Reading:
    return count_either(usage, also={"cached_input": (CACHED,)})


DIALECT = Dialect("vllm", _recognises, _count, LEAVES, precedence=35)
