"""OpenAI's realtime models: details in the singular, by modality, with the cached part of each.

A component of a modality is what was not cached of it: the cached part is one of its own.
"""

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    AUDIO_INPUT,
    AUDIO_OUTPUT,
    CACHED_AUDIO,
    CACHED_IMAGE,
    CACHED_INPUT,
    CHECK,
    IMAGE_INPUT,
    INPUT,
    OUTPUT,
    PART,
    Dialect,
    Meaning,
    check_modalities,
    check_total,
    inconsistent,
    missing,
    tally,
)

CACHED = "input_token_details.cached_tokens_details."
LEAVES: dict[str, Meaning] = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    "total_tokens": CHECK,
    "input_token_details.text_tokens": PART,
    "input_token_details.audio_tokens": AUDIO_INPUT,
    "input_token_details.image_tokens": IMAGE_INPUT,
    "input_token_details.cached_tokens": CACHED_INPUT,
    f"{CACHED}text_tokens": PART,
    f"{CACHED}audio_tokens": CACHED_AUDIO,
    f"{CACHED}image_tokens": CACHED_IMAGE,
    "output_token_details.text_tokens": PART,
    "output_token_details.audio_tokens": AUDIO_OUTPUT,
}


def _recognises(usage: Usage) -> bool:
    return usage.states("input_tokens") and usage.under("input_token_details.", "output_token_details.")


def _count(usage: Usage) -> Counts | Reading:
    input, output = usage.get("input_tokens"), usage.get("output_tokens")
    if input is None:
        raise missing("input_tokens")
    if output is None:
        raise missing("output_tokens")
    check_total(usage, "total_tokens", f"input_tokens {input} and output_tokens {output}", input + output)
    check_modalities(usage, "input_token_details.", input)
    check_modalities(usage, "output_token_details.", output)
    cached = usage.of("input_token_details.cached_tokens")
    audio, image = usage.of("input_token_details.audio_tokens"), usage.of("input_token_details.image_tokens")
    cached_audio, cached_image = usage.of(f"{CACHED}audio_tokens"), usage.of(f"{CACHED}image_tokens")
    if cached and (audio or image) and not usage.under(CACHED):
        raise inconsistent(f"it does not say which of {cached} cached tokens are audio or image")
    if usage.under(CACHED):
        check_modalities(usage, CACHED, cached)
    return tally(
        input,
        output,
        cached,
        names=("input_tokens", "output_tokens"),
        audio_input=audio - cached_audio,
        image_input=image - cached_image,
        cached_audio_input=cached_audio,
        cached_image_input=cached_image,
        audio_output=usage.of("output_token_details.audio_tokens"),
    )


DIALECT = Dialect("openai.realtime", _recognises, _count, LEAVES, precedence=60)
