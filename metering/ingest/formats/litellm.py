"""LiteLLM's StandardLoggingPayload as our events: tokens, times, tier and identity; prompts, answers and secrets stay behind.

Nothing is copied through: an event is built from the few fields read here, so that what LiteLLM adds later is dropped too.
Which attempt of a request a payload is follows from the payload alone, so that sending it again names the same attempt:

- A response is the attempt that LiteLLM counts in `x-litellm-attempted-retries` and `-fallbacks`, and 0 where it counts none.
- A failure does not say how many came before it, and all failures of a call share its id. It gets a number from 2**30 up
  that follows its start in tenths of a millisecond, so that failures count up as they happened and none meets a response.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from metering.catalogue.tiers import DEFAULT_TIER, leaves_open, normal_tier
from metering.ingest.formats.bodies import body_text, check_number
from metering.ingest.formats.dialects.leaves import Implausible, Usage
from metering.ingest.formats.dialects.openai import images
from metering.ingest.formats.dialects.served import served_as_stated
from metering.ingest.formats.dialects.shape import UsageRefused
from metering.ingest.formats.litellm_usage import NO_IMAGES, ImagesMade, opened_usage_object, usage_of_contract, usage_of_images
from metering.ingest.formats.repeated import REPEATED, as_written, stated_twice
from metering.ingest.formats.translated import NotInference, Unopenable, Untranslatable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Of a patiently opened payload, the number comes as text.
SECONDS = re.compile(rb'"?(\d{1,11})(?:\.(\d{1,30}))?"?')
FIRST_FAILURE = 2**30
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Calls that LiteLLM logs with the usage of the answer that they fetch, or with none: they make no answer themselves.
# `generate_content` is Google's way to ask for an answer; what ends in `file_content` or `video_content` fetches one.
NO_INFERENCE = re.compile(
    r"a?(get|retrieve|fetch|list|cancel|delete|poll)_\w+"
    r"|\w+_(get|retrieve|fetch|list|cancel|delete|poll|status)(_\w+)?|\w*(file|video)_content",
    re.ASCII,
)
MAKES_IMAGES = re.compile(r"a?image_(generation|edit|variation)", re.ASCII)


class AuthMetadata(msgspec.Struct, gc=False):
    omx_key_id: Any = None


class Metadata(msgspec.Struct, gc=False):
    user_api_key_end_user_id: Any = None
    user_api_key_request_route: Any = None
    usage_object: msgspec.Raw = msgspec.Raw()
    user_api_key_auth_metadata: AuthMetadata | None = None


class Response(msgspec.Struct, gc=False):
    object: Any = None
    service_tier: Any = None
    data: msgspec.Raw = msgspec.Raw()  # of images: what they are in Base64 stays closed
    quality: Any = None
    size: Any = None


class ModelParameters(msgspec.Struct, gc=False):
    stream: Any = None
    service_tier: Any = None
    quality: Any = None


class ErrorInformation(msgspec.Struct, gc=False):
    error_class: Any = None


class AdditionalHeaders(msgspec.Struct, gc=False, rename=lambda name: "x-litellm-attempted-" + name):
    retries: Any = None
    fallbacks: Any = None


class HiddenParams(msgspec.Struct, gc=False):
    additional_headers: AdditionalHeaders | None = None


class Payload(msgspec.Struct, gc=False):
    """A StandardLoggingPayload, as far as it is read. Times stay closed: opened as floats they would lose digits."""

    litellm_call_id: Any = None
    call_type: Any = None
    cache_hit: Any = None
    stream: Any = None
    status: Any = None
    custom_llm_provider: Any = None
    startTime: msgspec.Raw = msgspec.Raw()
    endTime: msgspec.Raw = msgspec.Raw()
    completionStartTime: msgspec.Raw = msgspec.Raw()
    model: Any = None
    metadata: Metadata | None = None
    end_user: Any = None
    model_group: Any = None
    response: Response | list[Any] | str | None = None
    model_parameters: ModelParameters | None = None
    hidden_params: HiddenParams | None = None
    error_information: ErrorInformation | None = None


class Named(msgspec.Struct, gc=False):
    litellm_call_id: Any = None


_payload = msgspec.json.Decoder(Payload, float_hook=Decimal)
_encode = msgspec.json.Encoder(decimal_format="number").encode
_payloads = msgspec.json.Decoder(list[msgspec.Raw])
_named = msgspec.json.Decoder(Named)
_closed = msgspec.json.Decoder(msgspec.Raw)


def translate(body: bytes) -> list[bytes | Untranslatable | NotInference]:
    """Our events, one per payload and in their order: of one payload, an array, or one per line. Raises Unopenable."""
    payloads = _split(body)
    check_number(len(payloads), "events")  # before any is translated: a few KiB of gzip hold a million
    return [_event(raw) for raw in payloads]


def _split(body: bytes) -> list[bytes | msgspec.Raw]:
    """The payloads of a body, still closed."""
    body = body.strip()
    if body.startswith(b"["):
        try:
            return list(_payloads.decode(body))
        except UNREADABLE:
            return list(_payloads.decode(_reopened(body)))
    if not body.startswith(b"{"):
        raise Unopenable("The body must be one LiteLLM payload, a JSON array of them, or one per line.")
    if _opens(body):
        return [body]
    lines = [line for line in body.splitlines() if line.strip()]
    # Of one payload that is printed over many lines, few begin with a brace.
    if len(lines) > 1 and sum(line.lstrip().startswith(b"{") for line in lines) * 2 > len(lines):
        return list(lines)
    return [_reopened(body)]


def _opens(text: bytes) -> bool:
    try:
        _closed.decode(text)
    except UNREADABLE:
        return False
    return True


def _reopened(text: bytes) -> bytes:
    """JSON that only a patient decoder opens, in strict form. Raises Unopenable.

    Python writes halves of emoji, which become question marks, and NaN, which becomes text: as null it would say of a count
    that there is none. Fractions become text too, and so keep the digits with which they came.
    """
    try:
        opened = json.loads(body_text(text), parse_constant=str, parse_float=str, object_pairs_hook=as_written)
        return json.dumps(opened, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError) as error:
        raise Unopenable(f"The body must be LiteLLM payloads in JSON: {error}.") from None


def _event(raw: bytes | msgspec.Raw) -> bytes | Untranslatable | NotInference:
    try:
        return _translated(_payload.decode(raw), raw)
    except UNREADABLE:
        pass
    try:
        raw = _reopened(bytes(raw))
        return _translated(_payload.decode(raw), raw)
    except (*UNREADABLE, Unopenable) as error:
        return Untranslatable("invalid_litellm_payload", f"This is not a LiteLLM payload: {error}.", _identity(raw))


def _identity(raw: bytes | msgspec.Raw) -> bytes:
    """What can be kept of a payload that does not read: its id. All else in it may be a person's prompt or key."""
    try:
        call_id = _named.decode(raw).litellm_call_id
    except UNREADABLE:
        return b"{}"
    return msgspec.json.encode({"request_id": call_id} if isinstance(call_id, str) else {})


def _translated(payload: Payload, raw: bytes | msgspec.Raw) -> bytes | Untranslatable | NotInference:
    if isinstance(payload.call_type, str) and NO_INFERENCE.fullmatch(payload.call_type):
        named = {"request_id": payload.litellm_call_id} if isinstance(payload.litellm_call_id, str) else {}
        return NotInference(msgspec.json.encode(named))
    metadata = payload.metadata or Metadata()
    auth = metadata.user_api_key_auth_metadata or AuthMetadata()
    parameters = payload.model_parameters or ModelParameters()
    stream = payload.stream if isinstance(payload.stream, bool) else parameters.stream
    usage_object, repeated = opened_usage_object(metadata.usage_object, raw)
    usage = None if repeated else usage_of_contract(usage_object)
    of_images = isinstance(payload.call_type, str) and MAKES_IMAGES.fullmatch(payload.call_type)
    if of_images:
        usage = usage_of_images(usage, _images_made(payload.response, parameters))
    status = _status(payload, usage)
    started, ended = _micros(payload.startTime), _micros(payload.endTime)
    tier, tier_known = _served_tier(payload, usage, parameters, stream)
    event = {
        "request_id": _text_or_list(payload.litellm_call_id),
        "attempt": _attempt(payload, status, started),
        "key_id": _text_or_list(auth.omx_key_id),
        "model": _text_or_list(payload.model_group or payload.model),
        "occurred_at": None if ended is None else _instant(ended),
        "usage": usage,
        "dialect": images.DIALECT.name if usage is not None and of_images else None,
        # An aborted or broken stream never sent its usage: LiteLLM counted what it had seen.
        "usage_source": "estimated" if usage is not None and status != "succeeded" else None,
        "status": status,
        "service_tier": tier,
        "provider": _short(payload.custom_llm_provider, 100),
        "endpoint": _short(metadata.user_api_key_request_route),
        "route": _short(payload.model),
        "user": _short(payload.end_user) or _short(metadata.user_api_key_end_user_id),
        "stream": stream if isinstance(stream, bool) else None,
        "latency_ms": _millis(started, ended),
        # Without a stream LiteLLM states the end of the answer as the time of its first token.
        "time_to_first_token_ms": _millis(started, _micros(payload.completionStartTime)) if stream is True else None,
        # LiteLLM answered from its own cache of answers; the operator may want to tell.
        "metadata": {"litellm_cache_hit": True} if payload.cache_hit is True else None,
    }
    content = _encode({name: value for name, value in event.items() if value is not None})
    if repeated is not None:
        return Untranslatable(REPEATED, stated_twice(repeated), content)
    if tier_known or status == "failed":
        return content
    return Untranslatable(
        "served_tier_unknown",
        "A tier was asked for, and LiteLLM does not say which one was served: set service_tier and replay.",
        content,
    )


def _images_made(response: Any, parameters: ModelParameters) -> ImagesMade:
    """Of an answer that was redacted nothing is known.

    LiteLLM says `hd` of every image of DALL-E 3 for which nobody asked for a quality, where OpenAI makes standard ones.
    """
    if not isinstance(response, Response):
        return NO_IMAGES
    try:
        number = len(_payloads.decode(response.data))
    except UNREADABLE:
        return NO_IMAGES
    quality = "standard" if response.quality == "hd" and parameters.quality is None else response.quality
    return ImagesMade(number, _text(quality), _text(response.size))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _status(payload: Payload, usage: dict[str, Any] | None) -> str:
    """LiteLLM logs a stream that its client left as a success with an error."""
    error = payload.error_information
    if error is not None and error.error_class == "ClientDisconnected" and (usage or payload.status == "success"):
        return "aborted"
    return {"success": "succeeded", "failure": "failed"}.get(str(payload.status), "unknown")


def _attempt(payload: Payload, status: str, started: int | None) -> int:
    if status == "failed":
        return FIRST_FAILURE + (started or 0) // 100 % FIRST_FAILURE
    headers = payload.hidden_params and payload.hidden_params.additional_headers
    return _tries(headers.retries) + _tries(headers.fallbacks) if headers else 0


def _tries(stated: Any) -> int:
    """A number from a header: as such, or as text."""
    text = str(stated)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _served_tier(
    payload: Payload, usage: dict[str, Any] | None, parameters: ModelParameters, stream: Any
) -> tuple[str | None, bool]:
    """The tier to bill, None for the default one, and whether that is known. The tier asked for is never billed.

    A provider that can serve another tier than the default one says in its answer which one it did, so a whole answer that
    says nothing was served by default. Of a stream LiteLLM may drop what the chunks stated, and of a redacted answer
    everything: then a tier that was asked for may have been served or not.
    """
    answer = payload.response if isinstance(payload.response, Response) else Response()
    if answer.service_tier and not _leaves_open(answer.service_tier):
        return _text_or_list(answer.service_tier), True
    whole = stream is not True and answer.object is not None
    asked = parameters.service_tier
    as_asked = asked is None or (isinstance(asked, str) and normal_tier(asked) == DEFAULT_TIER)
    return None, whole or as_asked or _says_tier(usage)


def _says_tier(usage: dict[str, Any] | None) -> bool:
    """Whether the tier is read with the rest of the usage. What nobody can read is passed on too, and refused there."""
    try:
        return usage is not None and served_as_stated(Usage(usage).texts).tier is not None
    except (Implausible, UsageRefused):
        return True


def _leaves_open(tier: Any) -> bool:
    return isinstance(tier, str) and leaves_open(tier)


def _text_or_list(value: Any) -> Any:
    """A text, or in place of another kind of value a list, which will be refused."""
    return value if value is None or isinstance(value, str) else []


def _short(value: Any, longest: int = 512) -> str | None:
    """A text that we keep if we can: it says nothing about money, so it is left out rather than held against the event."""
    fits = isinstance(value, str) and 0 < len(value) <= longest and "\x00" not in value
    return value if fits else None


def _micros(seconds: msgspec.Raw) -> int | None:
    """Microseconds since 1970 of a number in closed JSON, by its digits: a float would round, perhaps into the next month."""
    match = SECONDS.fullmatch(bytes(seconds))
    if match is None:
        return None
    return int(match[1]) * 1_000_000 + int(((match[2] or b"") + b"000000")[:6])


def _instant(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _millis(start: int | None, end: int | None) -> int | None:
    """Whole milliseconds, rounded half up; None where a clock was set back or the interval is longer than a count holds."""
    if start is None or end is None:
        return None
    millis = (end - start + 500) // 1000
    return millis if end >= start and millis < 2**31 else None
