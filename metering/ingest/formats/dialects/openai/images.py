"""OpenAI's images: text and images in the input, and what was made is image unless the details tell text or reasoning of it.

Models that are billed by the image have no tokens: then `images` says how many were made, `quality` and `size` which ones.
"""

from metering.components import Counts, Reading, component_named
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    CACHED_IMAGE,
    CACHED_INPUT,
    CHECK,
    IMAGE,
    IMAGE_INPUT,
    IMAGE_OUTPUT,
    INFORMATION,
    INPUT,
    NO_NAMES,
    OUTPUT,
    PART,
    REASONING,
    Dialect,
    Meaning,
    check_modalities,
    check_total,
    inconsistent,
    missing,
    tally,
)

MADE = "images"
REASONED = "output_tokens_details.reasoning_tokens"
CACHED = "input_tokens_details.cached_tokens_details."
LEAVES: dict[str, Meaning] = {
    MADE: IMAGE,
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    "total_tokens": CHECK,
    "input_tokens_details.text_tokens": PART,
    "input_tokens_details.image_tokens": IMAGE_INPUT,
    "input_tokens_details.cached_tokens": CACHED_INPUT,
    f"{CACHED}text_tokens": PART,
    f"{CACHED}image_tokens": CACHED_IMAGE,
    "output_tokens_details.text_tokens": PART,
    "output_tokens_details.image_tokens": IMAGE_OUTPUT,
    REASONED: REASONING,
    "cost": INFORMATION,
}


def _recognises(usage: Usage) -> bool:
    """By parts of the input that responses do not have, and none that those have."""
    if usage.states(MADE):
        return True
    stated = usage.states("input_tokens_details.image_tokens") and usage.states("input_tokens_details.text_tokens")
    return stated and usage.states("input_tokens") and not usage.states(REASONED)


def _count(usage: Usage) -> Counts | Reading:
    input, output = usage.get("input_tokens"), usage.get("output_tokens")
    if usage.states(MADE) and input is None and output is None:
        return tally(0, 0, 0, 0, 0, NO_NAMES, image=usage.of(MADE), **_of_one_kind(usage))
    if input is None:
        raise missing("input_tokens")
    if output is None:
        raise missing("output_tokens")
    check_total(usage, "total_tokens", f"input_tokens {input} and output_tokens {output}", input + output)
    cached, image = usage.of("input_tokens_details.cached_tokens"), usage.of("input_tokens_details.image_tokens")
    cached_image = usage.of(f"{CACHED}image_tokens")
    check_modalities(usage, "input_tokens_details.", input)
    if usage.under(CACHED):
        check_modalities(usage, CACHED, cached)
    elif cached and image:
        raise inconsistent(f"it does not say which of {cached} cached tokens are image")
    made, reasoning = usage.get("output_tokens_details.image_tokens"), usage.of(REASONED)
    if made is None:
        made = output - usage.of("output_tokens_details.text_tokens") - reasoning
    else:
        check_modalities(usage, "output_tokens_details.", output - reasoning)
        if made != output - reasoning and not usage.states("output_tokens_details.text_tokens"):
            raise inconsistent(f"it does not say what {output - reasoning - made} of {output} output tokens are")
    return tally(
        input,
        output,
        cached,
        reasoning=reasoning,
        names=("input_tokens", "output_tokens"),
        image_input=image - cached_image,
        cached_image_input=cached_image,
        image_output=made,
    )


def _of_one_kind(usage: Usage) -> dict[str, int]:
    """All of them once more as the component of their quality and size; none where the texts make no name of one."""
    said = [usage.texts.get(name, "").strip().lower() for name in ("quality", "size")]
    name = "/".join((IMAGE.name, *(part for part in said if part not in ("", "auto"))))
    try:
        return {name: usage.of(MADE)} if component_named(name) is not IMAGE else {}
    except KeyError:
        return {}


DIALECT = Dialect("openai.images", _recognises, _count, LEAVES, precedence=20)
