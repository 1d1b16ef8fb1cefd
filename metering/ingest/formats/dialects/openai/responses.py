"""OpenAI's responses: cached tokens are in the input, reasoning is in the output."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.openai.inclusive import count_inclusive, inclusive_leaves
from metering.ingest.formats.dialects.shape import Dialect, Meaning

NAMES = ("input_tokens", "output_tokens")
LEAVES: dict[str, Meaning] = inclusive_leaves(*NAMES)


def _recognises(usage: Usage) -> bool:
    return usage.states("input_tokens")


def _count(usage: Usage) -> Counts | Reading:
    return count_inclusive(usage, *NAMES)


DIALECT = Dialect("openai.responses", _recognises, _count, LEAVES)
