"""A request's body within its bounds: read, decompressed and opened no further than the limits allow."""

import json
import re
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, RawPostDataException
from django.http.request import UnreadablePostError

from metering.errors import BatchTooLarge, MalformedBody
from metering.ingest.formats.repeated import as_written, repeated_name, stated_twice
from omixa_billing.api.errors import Refusal
from workspaces.redaction import redact_bytes

DISCARD_AT_ONCE = 64 * 1024
# Letters, digits and the underscore written as escapes: nobody has a reason to, and a secret could hide in them.
HIDDEN = re.compile(rb"(?<!\\)((?:\\\\)*)\\u00(3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")


class Envelope(msgspec.Struct):
    events: list[msgspec.Raw]


class CorrectionsEnvelope(msgspec.Struct):
    corrections: list[msgspec.Raw]


_envelopes: dict[str, msgspec.json.Decoder[Any]] = {
    "events": msgspec.json.Decoder(Envelope),
    "corrections": msgspec.json.Decoder(CorrectionsEnvelope),
}


def read_body(request: HttpRequest) -> bytes:
    """The JSON bytes of a request, decompressed, with our secrets removed. Raises MalformedBody, BatchTooLarge."""
    return redact_json(read_whole_body(request))


def read_whole_body(request: HttpRequest) -> bytes:
    """The same with the secrets that it holds, for an endpoint that is asked about one."""
    limit = settings.INGEST_MAX_BYTES
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if not announced.isdigit() or int(announced) > limit:
        raise body_too_large()
    try:
        body = _stream_of(request).read(limit + 1)
    except (UnreadablePostError, RawPostDataException):
        raise MalformedBody("The body broke off before its end: send it again.") from None
    return decoded(body, request.headers.get("Content-Encoding", ""))


def decoded(body: bytes, content_encoding: str) -> bytes:
    """A body that came whole, without its Content-Encoding. Raises MalformedBody, BatchTooLarge."""
    limit = settings.INGEST_MAX_BYTES
    encoding = content_encoding.strip().lower() or "identity"
    if encoding == "gzip":
        body = gunzip(body, limit)
    elif encoding != "identity":
        raise MalformedBody(f"Content-Encoding {encoding!r} is not accepted: send gzip or none.")
    if len(body) > limit:
        raise body_too_large()
    return body


def redact_json(body: bytes) -> bytes:
    """JSON without whole secrets of ours, not even behind escapes."""
    if b"\\u00" in body:
        body = HIDDEN.sub(lambda escape: escape[1] + bytes([int(escape[2], 16)]), body)
    return redact_bytes(body)


def discard_rest(request: HttpRequest) -> None:
    """Reads what is left of a refused request's body, within bounds.

    A client that is still sending when the connection closes sees a broken pipe and never the refusal.
    """
    stream, left = _stream_of(request), settings.INGEST_MAX_DISCARDED_BYTES
    try:
        while left > 0 and (chunk := stream.read(min(left, DISCARD_AT_ONCE))):
            left -= len(chunk)
    except (OSError, RawPostDataException):
        return  # the client is gone, or the body was read to its end before


def _stream_of(request: HttpRequest) -> Any:
    """Where the body is read from. Django takes a body without a length, chunked or over HTTP/2, for empty."""
    chunked = request.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
    streamed = request.META.get("SERVER_PROTOCOL") == "HTTP/2" and not request.META.get("CONTENT_LENGTH")
    return request.META["wsgi.input"] if chunked or streamed else request


def gunzip(data: bytes, limit: int) -> bytes:
    """`data` decompressed, never holding more than `limit` + 1 bytes of it. Raises MalformedBody, BatchTooLarge."""
    stream = zlib.decompressobj(wbits=31)
    try:
        body = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise MalformedBody(f"The body is not valid gzip: {error}.") from None
    if len(body) > limit:
        raise body_too_large()
    if not stream.eof:
        raise MalformedBody("The gzip body breaks off before its end: send it again.")
    if stream.unused_data:
        raise MalformedBody("The gzip body has data after its end: send one gzip member.")
    return body


def open_envelope(body: bytes, kind: str = "events") -> Sequence[bytes | msgspec.Raw]:
    """The events or corrections of a body, still closed. Raises MalformedBody, BatchTooLarge."""
    try:
        events: Sequence[bytes | msgspec.Raw] = getattr(_envelopes[kind].decode(body), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        events = _events_patiently(body, kind, error)
    if body.count(b'"%s"' % kind.encode()) > 1 and repeated_name(body, kind) is not None:
        raise MalformedBody(f"{stated_twice(kind)} Of two lists one would be lost.")
    check_number(len(events), kind)
    return events


def check_number(count: int, kind: str) -> None:
    """Raises MalformedBody, BatchTooLarge."""
    if not count:
        raise MalformedBody(f"{kind} is empty: send 1 to 1,000 of them.")
    if count > settings.INGEST_MAX_EVENTS:
        raise BatchTooLarge(f"{count} {kind} are more than 1,000: send them in several batches.")


def _events_patiently(body: bytes, kind: str, error: Exception) -> list[bytes]:
    """The events of a body that the strict decoder refuses as a whole, so that only the event at fault may be."""
    try:
        events = open_patiently(body)[kind]
        if not isinstance(events, list):
            raise TypeError
        check_number(len(events), kind)  # before each is written again, which costs a hundred times as much
        return [json.dumps(event).encode() for event in events]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise MalformedBody(f'The body must be JSON of the form {{"{kind}": [...]}}: {error}.') from None


def open_patiently(body: bytes) -> Any:
    """JSON in which some text is no Unicode, such as half an emoji that JavaScript cut in two: by its grammar it is JSON still.

    Raises ValueError, RecursionError.
    """
    return json.loads(body_text(body), parse_constant=_refuse_constant, object_pairs_hook=as_written)


def body_text(body: bytes) -> str:
    """For Python's decoder, which takes UTF-16 and UTF-32 as well if it gets bytes: in those a credential passes unseen."""
    return body.decode("utf-8-sig", "surrogatepass")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def body_too_large() -> Refusal:
    return BatchTooLarge("The body has more than 5 MiB: send the events in several batches.")
