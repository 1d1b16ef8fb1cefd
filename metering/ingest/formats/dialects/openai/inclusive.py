"""What OpenAI's shapes have in common: the details are parts of the input and of the output.

Proxies put more into them: cached tokens under Anthropic's names, LiteLLM's own names, the 1-hour part of cache writes.
"""

from collections.abc import Mapping, Sequence

from metering.components import Counts, Reading
from metering.ingest.formats.dialects.anthropics_names import (
    CACHE_LEAVES,
    LONG_WRITES,
    READS,
    SEARCHES,
    SHORT_WRITES,
    TOOL_LEAVES,
    check_writes,
    written_tokens,
)
from metering.ingest.formats.dialects.iterations import COMPACTION_LEAVES, with_iterations
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import (
    AUDIO_INPUT,
    AUDIO_OUTPUT,
    CACHE_WRITE,
    CACHE_WRITE_1H,
    CACHED_AUDIO,
    CACHED_IMAGE,
    CACHED_INPUT,
    CHECK,
    IMAGE_INPUT,
    IMAGE_OUTPUT,
    INFORMATION,
    INPUT,
    OUTPUT,
    PART,
    REASONING,
    VIDEO_INPUT,
    WEB_SEARCH,
    Meaning,
    agreed,
    check_modalities,
    check_parts,
    check_total,
    inconsistent,
    missing,
    tally,
)

NOWHERE: Mapping[str, Sequence[str]] = {}
# Times that Azure and GitHub Models state beside the tokens.
LATENCIES = (
    *("engine_tbt_ms", "engine_ttft_ms", "engine_ttlt_ms", "pre_inference_ms", "service_tbt_ms", "service_ttft_ms"),
    *("service_ttlt_ms", "total_duration_ms", "user_visible_ttft_ms"),
)
MEDIA = ("audio", "image", "video")


def inclusive_leaves(input: str, output: str) -> dict[str, Meaning]:
    """What each number is in OpenAI's shape with these names of input and output.

    What is written for twelve hours has no documented price, and no name here.
    """
    written, cached = f"{input}_details.cache_creation_token_details", f"{input}_details.cached_tokens_details"
    return {
        input: INPUT,
        output: OUTPUT,
        "total_tokens": CHECK,
        f"{input}_details.cached_tokens": CACHED_INPUT,
        f"{input}_details.cache_write_tokens": CACHE_WRITE,
        f"{input}_details.cache_creation_tokens": CACHE_WRITE,
        f"{written}.ephemeral_5m_input_tokens": CACHE_WRITE,
        f"{written}.ephemeral_1h_input_tokens": CACHE_WRITE_1H,
        f"{input}_details.cache_write_tokens_details.ttl_30m_tokens": CHECK,
        f"{cached}.text_tokens": PART,
        f"{cached}.audio_tokens": CACHED_AUDIO,
        f"{cached}.image_tokens": CACHED_IMAGE,
        f"{input}_details.text_tokens": PART,
        f"{input}_details.audio_tokens": AUDIO_INPUT,
        f"{input}_details.image_tokens": IMAGE_INPUT,
        f"{input}_details.video_tokens": VIDEO_INPUT,
        f"{input}_details.tool_use_tokens": PART,
        f"{input}_details.web_search_requests": WEB_SEARCH,
        f"{output}_details.reasoning_tokens": REASONING,
        f"{output}_details.text_tokens": PART,
        f"{output}_details.audio_tokens": AUDIO_OUTPUT,
        f"{output}_details.image_tokens": IMAGE_OUTPUT,
        f"{output}_details.accepted_prediction_tokens": PART,
        f"{output}_details.rejected_prediction_tokens": PART,
        **CACHE_LEAVES,
        **TOOL_LEAVES,
        **COMPACTION_LEAVES,
        "cost": INFORMATION,
        **dict.fromkeys((f"latency_checkpoint.{name}" for name in LATENCIES), INFORMATION),
    }


def count_inclusive(
    usage: Usage,
    input_name: str,
    output_name: str,
    *,
    also: Mapping[str, Sequence[str]] = NOWHERE,
    reasoning_beside: bool = False,
    all_is_text: bool = False,
) -> Counts | Reading:
    """Counts of a dialect whose details are parts of the input and output. Raises UsageRefused.

    `also` are the paths at which a provider states components by names of its own; what stands at several must agree. With
    `reasoning_beside`, reasoning is beside the output, unless the total shows that it is inside. Of a provider for which
    `all_is_text`, tokens of audio and images cost what those of text do.
    """
    details = f"{input_name}_details."
    input, output, total = usage.get(input_name), usage.get(output_name), usage.get("total_tokens")
    reasoning = usage.of(f"{output_name}_details.reasoning_tokens")
    if input is None:
        raise missing(input_name)
    if output is None:
        # A response without output, such as an embedding, says so by its total.
        if total != input:
            raise missing(output_name)
        output = 0
    beside = reasoning if reasoning_beside and total in (None, input + output + reasoning) else 0
    more = f" and {reasoning} reasoning tokens" if reasoning_beside else ""
    everything = input + output + (reasoning if reasoning_beside else 0)
    # What tools of a search that Google does not bill brought is in LiteLLM's total alone.
    inside = input + output, input + output + beside + usage.of(f"{details}tool_use_tokens")
    check_total(usage, "total_tokens", f"{input_name} {input} and {output_name} {output}{more}", everything, *inside)
    cached = agreed(usage, details + "cached_tokens", *also.get("cached_input", ()))
    written = _written(usage, details, also.get("cache_write", ()))
    cached, written = _with_anthropics_names(usage, details, cached, written, total is not None)
    check_parts(usage, details, input, cached, written, usage.of(f"{details}tool_use_tokens"))
    check_parts(usage, f"{output_name}_details.", output, reasoning)
    predicted = sum(usage.of(f"{output_name}_details.{kind}_prediction_tokens") for kind in ("accepted", "rejected"))
    if predicted > output:
        raise inconsistent(f"{predicted} accepted and rejected prediction tokens do not fit into {output_name} {output}")
    counted = {
        "cache_write_1h": one_hour_of(usage, details, written),
        **({} if all_is_text else _media(usage, details, input, cached, also)),
        "audio_output": 0 if all_is_text else usage.of(f"{output_name}_details.audio_tokens"),
        "image_output": usage.of(f"{output_name}_details.image_tokens"),
        "web_search": agreed(usage, SEARCHES, details + "web_search_requests", *also.get("web_search", ())) or 0,
    }
    names = (input_name, output_name)
    return with_iterations(usage, tally(input, output + beside, cached, written, reasoning, names, **counted))


def _media(usage: Usage, details: str, input: int, cached: int, also: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """What of the input was audio, image or video, without what was cached of it, which is stated by itself or by nobody.

    LiteLLM writes Gemini's usage with the cached tokens in no modality: they are beside the parts, which make the rest.
    """
    media = {kind: agreed(usage, f"{details}{kind}_tokens", *also.get(f"{kind}_input", ())) or 0 for kind in MEDIA}
    split = f"{details}cached_tokens_details."
    kept = {kind: usage.of(f"{split}{kind}_tokens") for kind in ("audio", "image")}
    beside = usage.of(f"{details}text_tokens") + sum(media.values()) + cached == input
    if usage.under(split):
        check_modalities(usage, split, cached)
    elif cached and any(media.values()) and not beside:
        raise inconsistent(f"it does not say which of {cached} cached tokens are audio, image or video")
    inside = {} if beside else kept
    return {
        **{f"{kind}_input": media[kind] - inside.get(kind, 0) for kind in MEDIA},
        **{f"cached_{kind}_input": kept[kind] for kind in kept},
    }


def _written(usage: Usage, details: str, own_names: Sequence[str]) -> int | None:
    """The cache writes among the details of the input, by their sum or by their parts; None where nothing is said of them."""
    whole = agreed(usage, details + "cache_write_tokens", details + "cache_creation_tokens", *own_names)
    parts = [usage.get(f"{details}cache_creation_token_details.ephemeral_{life}_input_tokens") for life in ("5m", "1h")]
    if whole is None and parts != [None, None]:
        return sum(part or 0 for part in parts)
    kept = f"{details}cache_write_tokens_details."
    if usage.states(f"{kept}ttl_30m_tokens"):
        split = usage.of(f"{kept}ttl_30m_tokens") + usage.of(f"{kept}ttl_12h_tokens")
        check_writes(split if whole is None else whole, split)
        return split
    return whole


def one_hour_of(usage: Usage, details: str, written: int) -> int:
    """The part of the cache writes that lives for an hour, wherever it is stated."""
    short = agreed(usage, SHORT_WRITES, f"{details}cache_creation_token_details.ephemeral_5m_input_tokens")
    long = agreed(usage, LONG_WRITES, f"{details}cache_creation_token_details.ephemeral_1h_input_tokens")
    check_writes(written, short, long, partly=True)
    return long or 0


def _with_anthropics_names(
    usage: Usage, details: str, cached: int | None, written: int | None, total_fits: bool
) -> tuple[int, int]:
    """Proxies such as LiteLLM give Anthropic's cached tokens in OpenAI's shape, and under Anthropic's names beside it.

    Under Anthropic's names alone, only a total that fits, which was checked before, shows that they are inside the input. Some
    say 0 in OpenAI's place and the truth in Anthropic's: with such a total, the larger one counts.
    """
    read, wrote = usage.of(READS), written_tokens(usage)
    if not read and not wrote:
        return cached or 0, written or 0
    both_stated = (cached == read or not read) and (written == wrote or not wrote)
    agreeing = cached in (None, 0, read) and written in (None, 0, wrote)
    if agreeing and (both_stated or total_fits):
        return read, wrote
    if total_fits and read in (0, cached or 0) and wrote in (0, written or 0):
        return cached or 0, written or 0
    raise inconsistent(
        f"{cached or 0} cached and {written or 0} cache-write tokens stand beside "
        f"cache_read_input_tokens {read} and cache_creation_input_tokens {wrote}"
    )
