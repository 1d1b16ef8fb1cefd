"""Cohere: what is billed is in `billed_units`, in whole numbers with a fraction of zero; `tokens` is what the model saw."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    CHECK,
    IMAGE_INPUT,
    INFORMATION,
    INPUT,
    OUTPUT,
    PART,
    SEARCH_UNIT,
    Dialect,
    Meaning,
    UsageRefused,
    tally,
)

BILLED = "billed_units."
LEAVES: dict[str, Meaning] = {
    f"{BILLED}input_tokens": INPUT,
    f"{BILLED}output_tokens": OUTPUT,
    f"{BILLED}search_units": SEARCH_UNIT,
    f"{BILLED}image_tokens": IMAGE_INPUT,
    f"{BILLED}images": CHECK,
    "tokens.input_tokens": PART,
    "tokens.output_tokens": PART,
    "tokens.image_tokens": PART,
    "cached_tokens": PART,
    "api_version.version": INFORMATION,
}


def _recognises(usage: Usage) -> bool:
    return usage.under(BILLED)


def _count(usage: Usage) -> Counts | Reading:
    if not usage.under(BILLED):
        raise UsageRefused("usage_missing", "usage.billed_units is missing.")
    images = usage.of(f"{BILLED}image_tokens")
    if images:
        # How many they were. Where only that is stated, it is what is billed, and no component says what one costs.
        usage.asked.add(f"{BILLED}images")
    return tally(
        usage.of(f"{BILLED}input_tokens") + images,
        usage.of(f"{BILLED}output_tokens"),
        image_input=images,
        search_unit=usage.of(f"{BILLED}search_units"),
    )


DIALECT = Dialect("cohere", _recognises, _count, LEAVES, precedence=90, whole_floats=True)
