"""CloudEvents 1.0 in JSON, one (structured mode) or several (batched mode), each with an event of ours as its `data`.

The envelope only carries: its `id` and `time` speak where the event inside leaves out its own, and everything else about it,
such as extension attributes, is not kept.
"""

import base64
import binascii
import json
import re
from email.message import Message
from typing import Any

import msgspec

from metering.ingest.formats.bodies import check_number, open_patiently, redact_json
from metering.ingest.formats.labels import storable_labels, with_storable_labels
from metering.ingest.formats.repeated import REPEATED, repeated_name, stated_twice, with_values
from metering.ingest.formats.translated import Unopenable, Untranslatable

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON_TYPE = re.compile(r"[^/;\s]+/(?:[^/;\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
UTF_8 = ("", "utf-8", "utf8", "us-ascii", "ascii")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class CloudEvent(msgspec.Struct, gc=False):
    """An envelope's attributes; null is the same as leaving one out. `data` stays closed."""

    specversion: Any = None
    id: Any = None
    source: Any = None
    type: Any = None
    time: Any = None
    datacontenttype: Any = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: Any = None


class Identity(msgspec.Struct, gc=False):
    request_id: Any = None
    occurred_at: Any = None


_events = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(CloudEvent)
_identity = msgspec.json.Decoder(Identity)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Invalid(Exception):
    """The envelope breaks the specification, or its data cannot be an event of ours."""


def is_cloudevents(content_type: str) -> bool:
    """Whether a request says that it carries CloudEvents, of whichever mode."""
    return content_type.partition(";")[0].strip().lower() in (STRUCTURED, BATCH)


def unwrap(body: bytes, content_type: str) -> list[bytes | Untranslatable]:
    """The events inside, in order; none for an empty batch, which the specification allows. Raises Unopenable."""
    media_type, charset = _media_type(content_type)
    if charset not in UTF_8:
        raise Unopenable(f"The charset {charset!r} is not accepted: send CloudEvents in UTF-8.")
    if media_type == STRUCTURED:
        if not body.lstrip().startswith(b"{"):
            raise Unopenable(f"The body of {STRUCTURED} must be one JSON object; several go as {BATCH}.")
        body = b"[" + body + b"]"
    elif not body.lstrip().startswith(b"["):
        raise Unopenable(f"The body of {BATCH} must be a JSON array of CloudEvents.")
    envelopes = _split(body)
    if media_type == STRUCTURED and len(envelopes) != 1:
        raise Unopenable(f"The body of {STRUCTURED} must be one JSON object; several go as {BATCH}.")
    return [_unwrapped(envelope) for envelope in envelopes]


def _split(body: bytes) -> list[bytes]:
    """The envelopes of an array, still closed.

    Text that is no Unicode is JSON by its grammar: then a patient decoder splits, and only the one that holds it is refused,
    unless it is a label of the event inside.
    """
    try:
        return [bytes(envelope) for envelope in _counted(_events.decode(body))]
    except UNREADABLE as refusal:
        error = refusal
    try:
        envelopes = _counted(open_patiently(body))
        return [json.dumps(_with_storable_data(envelope)).encode() for envelope in envelopes]
    except (ValueError, RecursionError):
        raise Unopenable(f"The body must be CloudEvents in JSON: {error}.") from None


def _with_storable_data(envelope: Any) -> Any:
    if not isinstance(envelope, dict) or "data" not in envelope:
        return envelope
    return with_values(envelope, {"data": storable_labels(envelope["data"])})


def _counted(envelopes: list[Any]) -> list[Any]:
    """As they are, if they are not too many, before work is done on each. None at all is for others to refuse."""
    if envelopes:
        check_number(len(envelopes), "events")
    return envelopes


def _media_type(content_type: str) -> tuple[str, str]:
    """Media type and charset in lower case, read as the header that they are: parameters may be quoted and spaced."""
    header = Message()
    header["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    return header.get_content_type(), (header.get_content_charset() or "")


def _unwrapped(raw: bytes) -> bytes | Untranslatable:
    try:
        envelope = _event.decode(raw)
    except UNREADABLE as error:
        return Untranslatable("invalid_cloudevent", f"This is not a CloudEvent: {error}.", _without_hidden(raw))
    try:
        data = _data(envelope)
        if (path := _repeated(raw, data)) is not None:
            return Untranslatable(REPEATED, stated_twice(path), _without_hidden(raw))
        event = _complete(data, envelope)
    except _Invalid as invalid:
        return Untranslatable("invalid_cloudevent", str(invalid), _without_hidden(raw))
    try:
        _check(envelope)
    except _Invalid as invalid:
        return Untranslatable("invalid_cloudevent", str(invalid), event)
    return event


def _repeated(raw: bytes, data: bytes) -> str | None:
    """What the envelope states twice of its data, or that of its usage: completed, an event would state it once."""
    try:
        path = repeated_name(raw, "data", "usage") if raw.count(b'"data"') > 1 else None
        return repeated_name(data, "usage") if path is None and data.count(b'"usage"') > 1 else path
    except (ValueError, RecursionError):
        return None  # it is no event, of which others say why


def _check(envelope: CloudEvent) -> None:
    if envelope.specversion != "1.0":
        raise _Invalid('specversion must be "1.0", the version of CloudEvents that is read here.')
    for name in ("id", "source", "type"):
        value = getattr(envelope, name)
        if not isinstance(value, str) or not value:
            raise _Invalid(f"{name} is required of a CloudEvent, and must be a text that is not empty.")
    if envelope.time is not None and not isinstance(envelope.time, str):
        raise _Invalid("time must be RFC 3339, as 2026-10-01T00:00:00Z.")


def _data(envelope: CloudEvent) -> bytes:
    """The JSON of the event inside."""
    kind, encoded = envelope.datacontenttype, envelope.data_base64
    if kind is not None and not (isinstance(kind, str) and JSON_TYPE.fullmatch(kind.strip())):
        raise _Invalid("datacontenttype must be application/json: the data of a CloudEvent is an event in JSON.")
    if encoded is None:
        if envelope.data is msgspec.UNSET:
            raise _Invalid("data is missing: it must be an event, a JSON object.")
        return bytes(envelope.data)
    if envelope.data is not msgspec.UNSET:
        raise _Invalid("data and data_base64 exclude each other: send one.")
    try:
        return redact_json(base64.b64decode(encoded, validate=True))
    except (TypeError, ValueError, binascii.Error):
        raise _Invalid("data_base64 is not Base64.") from None


def _complete(data: bytes, envelope: CloudEvent) -> bytes:
    """The event with the envelope's id and time where it leaves out its own."""
    try:
        own = _identity.decode(data)
        if own.request_id is not None and own.occurred_at is not None:
            return data
        fields: dict[str, Any] = dict(_fields.decode(data))
    except UNREADABLE as error:
        cleaned = with_storable_labels(data)
        if cleaned is None:
            raise _Invalid(f"The data of a CloudEvent must be an event, a JSON object: {error}.") from None
        return _complete(cleaned, envelope)
    if own.request_id is None and isinstance(envelope.id, str):
        fields["request_id"] = envelope.id
    if own.occurred_at is None and isinstance(envelope.time, str):
        fields["occurred_at"] = envelope.time
    return msgspec.json.encode(fields)


def _without_hidden(raw: bytes) -> bytes:
    """An envelope as it can be kept: in Base64 a credential could pass unseen."""
    return b"{}" if b"data_base64" in raw else raw
