"""LiteLLM's own usage object, which has every provider's numbers under their own names: all of them are passed on.

What they mean is decided where every usage is read. Texts stay behind, but for those that say of what kind a number is or how
the answer was served: anything else may be a person's.
"""

import re
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from metering.ingest.formats.repeated import may_repeat, repeated_name

TELLING = frozenset(
    {"type", "modality", "ttl", "service_tier", "serviceTier", "traffic_type", "trafficType", "speed", "inference_geo"}
    | {"cache_type", "search_context_size"}
)
# Of these, a text that is no such word is not passed over: as a list in its place it is refused where usage is read.
SERVED = TELLING - {"type", "modality", "ttl", "cache_type", "search_context_size"}
WORD = re.compile(r"[A-Za-z0-9_.+-]{1,64}", re.ASCII)
WHOLE = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
# What a patient decoder made of a number, so that it keeps its digits.
FRACTION = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
LARGEST = 2**53
# LiteLLM states the tokens of images by a chat's names, and how many images there are beside them.
MADE = "output_image_count"
TOKENS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
_decode = msgspec.json.Decoder(dict[str, Any] | None, float_hook=Decimal).decode
SUMS = ("input_tokens", "output_tokens", "total_tokens")


class ImagesMade(NamedTuple):
    """What an answer says of its images; the texts are empty where it says nothing."""

    number: int = 0
    quality: str = ""
    size: str = ""


NO_IMAGES = ImagesMade()


def opened_usage_object(stated: msgspec.Raw, payload: bytes | msgspec.Raw) -> tuple[dict[str, Any] | None, str | None]:
    """What LiteLLM states, and the path of a name that it states twice, if there is one. Raises msgspec.ValidationError."""
    if bytes(payload).count(b'"usage_object"') > 1:
        path = repeated_name(bytes(payload), "metadata", "usage_object")
        if path is not None:
            return None, path.replace("metadata.usage_object", "usage")
    if not bytes(stated):
        return None, None
    try:
        opened = _decode(stated)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(str(error).replace("`$", "`$.metadata.usage_object")) from None
    path = repeated_name(bytes(stated)) if may_repeat(bytes(stated), opened) else None
    return opened, path and f"usage.{path}"


def usage_of_contract(stated: dict[str, Any] | None) -> dict[str, Any] | None:
    """The numbers by their names, or None where there are none: zero is a count, and nothing is not."""
    return None if stated is None else _object(stated) or None


def usage_of_images(stated: dict[str, Any] | None, made: ImagesMade) -> dict[str, Any] | None:
    """The usage of images in OpenAI's own shape: their tokens, or where none are stated their number, quality and size.

    None where nobody knows how many there were.
    """
    said = dict(stated or {})
    number = said.pop(MADE, None) or made.number
    if not said.keys() & TOKENS.values():  # which some state themselves
        said = {TOKENS.get(name, name): value for name, value in said.items()}
    if any(said.get(name) for name in SUMS):
        return said
    if not number:
        return None
    beside = {name: value for name, value in said.items() if name not in SUMS}
    return beside | {"images": number, "quality": made.quality, "size": made.size}


def _object(stated: dict[str, Any]) -> dict[str, Any]:
    named = ((_name(name, at), _kept(name, value)) for at, (name, value) in enumerate(stated.items()))
    return {name: value for name, value in named if value is not None}


def _kept(name: str, value: Any) -> Any:
    """A number, or in place of a text something of its kind that says nothing."""
    if value is None or isinstance(value, bool | Decimal):
        return value
    if isinstance(value, int):
        return max(min(value, LARGEST), -LARGEST)
    if isinstance(value, str):
        if WHOLE.fullmatch(value) or (name in TELLING and WORD.fullmatch(value)):
            return value
        if name in SERVED and value:
            return []
        return Decimal(value) if FRACTION.fullmatch(value) else ""
    if isinstance(value, list):
        return [_kept(name, each) for each in value]
    return _object(value) or None


def _name(name: str, at: int) -> str:
    return name if WORD.fullmatch(name) else f"unreadable_{at}"
