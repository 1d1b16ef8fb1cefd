"""What gateways ask, as the contract has it; null in an optional field is the same as leaving it out."""

from typing import Annotated, Any, TypeVar

import msgspec

from metering.errors import MalformedBody
from metering.ingest.formats.events import UNREADABLE, Count
from metering.ingest.formats.labels import LABELS, with_storable_labels
from omixa_billing.api.errors import InvalidParameter
from workspaces.names import is_storable, storable_text
from workspaces.redaction import redact

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
LONGEST_TTL = 86_400
Seconds = Annotated[int, msgspec.Meta(ge=1, le=LONGEST_TTL)]


class Authorize(msgspec.Struct):
    """`POST /gateway/v1/authorize`. `key` is the presented secret, which is neither logged nor stored."""

    request_id: Name
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    input_tokens: Count
    key: Name | None = None
    key_id: Name | None = None
    max_output_tokens: Count | None = None
    service_tier: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    endpoint: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    user: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    stream: bool | None = None
    metadata: dict[str, Any] | None = None
    ttl_seconds: Seconds | None = None
    dry_run: bool | None = None


class Extend(msgspec.Struct):
    """`POST /gateway/v1/authorize/{hold_id}/extend`."""

    output_tokens_so_far: Count = 0
    ttl_seconds: Seconds | None = None


class Release(msgspec.Struct):
    """`POST /gateway/v1/authorize/{hold_id}/release`."""

    reason: Annotated[str, msgspec.Meta(max_length=512)] | None = None


class CheckKey(msgspec.Struct):
    """`POST /gateway/v1/keys/check`."""

    key: Name


T = TypeVar("T")
OF_SECRETS = "key"  # the one field in which a secret belongs


def read_request(body: bytes, kind: type[T]) -> T:
    """Secrets in other fields than their own are removed. Labels are read as an event's, so that both name one end user.

    Raises MalformedBody for what is no JSON, and InvalidParameter for what is not as the contract has it.
    """
    try:
        asked = _decoded(body or b"{}", kind)
    except msgspec.ValidationError as error:
        raise InvalidParameter(str(error), param=_param(str(error))) from None
    except UNREADABLE as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from None
    for name in kind.__struct_fields__:  # type: ignore[attr-defined]
        value = getattr(asked, name)
        if not isinstance(value, str):
            continue
        value = storable_text(value) if name in LABELS else value
        if not is_storable(value):
            raise InvalidParameter(f"{name} contains an invalid character.", param=name)
        if name != OF_SECRETS:
            setattr(asked, name, redact(value))
    return asked


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        raise
    except UNREADABLE:
        cleaned = with_storable_labels(body)
        if cleaned is None:
            raise
        return msgspec.json.decode(cleaned, type=kind)


def _param(message: str) -> str | None:
    """The field that msgspec names, as in "Expected `int`, got `str` - at `$.input_tokens`"."""
    _, found, path = message.rpartition("at `$.")
    if found:
        return path.rstrip("`")
    _, found, name = message.partition("field `")
    return name.split("`")[0] if found else None
