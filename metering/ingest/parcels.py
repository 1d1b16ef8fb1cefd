"""What comes through each door, in the one form that the inbox keeps: `{"events": [...]}` or `{"corrections": [...]}`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from metering.errors import MalformedBody
from metering.ingest.bodies import check_number, open_envelope
from metering.ingest.cloudevents import unwrap
from metering.ingest.foreign import Unopenable, Untranslatable
from metering.ingest.litellm import translate
from metering.ingest.models import Batch

Content = bytes | msgspec.Raw | Untranslatable


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request's contents one by one, still closed, and the body that holds them in the same order."""

    body: bytes
    contents: Sequence[Content]
    kind: str = Batch.Kind.EVENTS
    source: str = Batch.Source.HTTP


def of_events(body: bytes, source: str = Batch.Source.HTTP) -> Parcel:
    """`POST /gateway/v1/events`, kept as it came. Raises MalformedBody, BatchTooLarge; so do the others."""
    return Parcel(body, open_envelope(body), source=source)


def of_corrections(body: bytes, source: str = Batch.Source.HTTP) -> Parcel:
    """`POST /gateway/v1/corrections`, kept as it came."""
    return Parcel(body, open_envelope(body, Batch.Kind.CORRECTIONS), Batch.Kind.CORRECTIONS, source)


def of_litellm(body: bytes) -> Parcel:
    """`POST /gateway/v1/events/litellm`: only what became our events is kept."""
    return packed(opened(translate, body), source=Batch.Source.LITELLM)


def of_cloudevents(body: bytes, content_type: str) -> Parcel:
    """CloudEvents that carry our events, without their envelopes."""
    return packed(opened(unwrap, body, content_type), source=Batch.Source.CLOUDEVENTS)


def opened(open_body: Callable[..., list[bytes | Untranslatable]], *arguments: bytes | str) -> list[bytes | Untranslatable]:
    """What a translator of another format finds in a body."""
    try:
        return open_body(*arguments)
    except Unopenable as error:
        raise MalformedBody(str(error)) from None


def packed(contents: Sequence[Content], kind: str = Batch.Kind.EVENTS, source: str = Batch.Source.REPLAY) -> Parcel:
    """Contents in a body of our making, in which a null holds the place of what is none of ours."""
    check_number(len(contents), kind)
    inside = (b"null" if isinstance(content, Untranslatable) else bytes(content) for content in contents)
    return Parcel(b'{"%s":[%s]}' % (kind.encode(), b",".join(inside)), contents, kind, source)
