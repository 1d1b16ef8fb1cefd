"""Voyage: embeddings and rerankings state a total, which is their input. Of images it has the tokens that they came to."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import INPUT, PART, Dialect, Meaning, inconsistent, missing, tally

LEAVES: dict[str, Meaning] = {
    "total_tokens": INPUT,
    "text_tokens": PART,
    "image_pixels": PART,
    "video_pixels": PART,
}


def _recognises(usage: Usage) -> bool:
    """By a total without anything that it could be the total of."""
    return usage.states("total_tokens") and usage.numbers.keys() <= LEAVES.keys()


def _count(usage: Usage) -> Counts | Reading:
    total = usage.get("total_tokens")
    if total is None:
        raise missing("total_tokens")
    if usage.of("text_tokens") > total:
        raise inconsistent(f"text_tokens {usage.of('text_tokens')} do not fit into total_tokens {total}")
    return tally(total, 0)


DIALECT = Dialect("voyage", _recognises, _count, LEAVES)
