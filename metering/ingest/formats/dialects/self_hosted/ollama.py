"""Ollama's own API: what was read of the prompt and what was made of it, with the times that it took."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import INFORMATION, INPUT, OUTPUT, Dialect, Meaning, missing, tally

READ, MADE = "prompt_eval_count", "eval_count"
TIMES = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
LEAVES: dict[str, Meaning] = {READ: INPUT, MADE: OUTPUT, **dict.fromkeys(TIMES, INFORMATION)}


def _recognises(usage: Usage) -> bool:
    return usage.states(READ)


def _count(usage: Usage) -> Counts | Reading:
    """An embedding has nothing that was made."""
    read = usage.get(READ)
    if read is None:
        raise missing(READ)
    return tally(read, usage.of(MADE))


DIALECT = Dialect("ollama", _recognises, _count, LEAVES, precedence=90)
