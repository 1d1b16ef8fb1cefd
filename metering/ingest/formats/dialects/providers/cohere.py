"""Cohere: what is billed is in `billed_units`, in whole numbers with a fraction of zero; `tokens` is what the model saw."""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    CLASSIFICATION,
    IMAGE,
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
    f"{BILLED}images": IMAGE,
    f"{BILLED}classifications": CLASSIFICATION,
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
    tokens, images = usage.of(f"{BILLED}image_tokens"), usage.of(f"{BILLED}images")
    return tally(
        usage.of(f"{BILLED}input_tokens") + tokens,
        usage.of(f"{BILLED}output_tokens"),
        image_input=tokens,
        # With their tokens, it is how many these were of. Older models bill images by their number.
        image=0 if tokens else images,
        classification=usage.of(f"{BILLED}classifications"),
        search_unit=usage.of(f"{BILLED}search_units"),
    )


DIALECT = Dialect("cohere", _recognises, _count, LEAVES, precedence=90, whole_floats=True)
