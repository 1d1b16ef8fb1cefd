"""What each endpoint receives, in the one form that the inbox keeps: `{"events": [...]}` or `{"corrections": [...]}`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from metering.errors import MalformedBody
from metering.ingest.formats.bodies import check_number, open_envelope
from metering.ingest.formats.cloudevents import unwrap
from metering.ingest.formats.litellm import translate
from metering.ingest.formats.translated import NotInference, Unopenable, Untranslatable
from metering.ingest.models import Batch

Content = bytes | msgspec.Raw | Untranslatable | NotInference

NOT_EVENTS = (Untranslatable, NotInference)


@dataclass(frozen=True)
class InboxPayload:
    """A body as the inbox keeps it, its contents still closed."""

    body: bytes
    kind: str = Batch.Kind.EVENTS
    source: str = Batch.Source.HTTP
    # What another format's translator made of them; else they are in the body.
    translated: Sequence[Content] | None = None

    @cached_property
    def contents(self) -> Sequence[Content]:
        """One by one. Raises MalformedBody, BatchTooLarge."""
        return open_envelope(self.body, self.kind) if self.translated is None else self.translated


def of_events(body: bytes, source: str = Batch.Source.HTTP) -> InboxPayload:
    """`POST /gateway/v1/events`, kept as it came."""
    return InboxPayload(body, source=source)


def of_corrections(body: bytes, source: str = Batch.Source.HTTP) -> InboxPayload:
    """`POST /gateway/v1/corrections`, kept as it came."""
    return InboxPayload(body, Batch.Kind.CORRECTIONS, source)


def of_litellm(body: bytes) -> InboxPayload:
    """`POST /gateway/v1/events/litellm`: only what became our events is kept."""
    return packed(decoded_items(translate, body), source=Batch.Source.LITELLM)


def of_cloudevents(body: bytes, content_type: str) -> InboxPayload:
    """CloudEvents that carry our events, without their envelopes."""
    return packed(decoded_items(unwrap, body, content_type), source=Batch.Source.CLOUDEVENTS)


def decoded_items(open_body: Callable[..., Sequence[Content]], *arguments: bytes | str) -> Sequence[Content]:
    """What a translator of another format finds in a body."""
    try:
        return open_body(*arguments)
    except Unopenable as error:
        raise MalformedBody(str(error)) from None


def packed(contents: Sequence[Content], kind: str = Batch.Kind.EVENTS, source: str = Batch.Source.REPLAY) -> InboxPayload:
    """Contents in a body of our making, in which a null holds the place of what is none of ours."""
    check_number(len(contents), kind)
    inside = (b"null" if isinstance(content, NOT_EVENTS) else bytes(content) for content in contents)
    return InboxPayload(b'{"%s":[%s]}' % (kind.encode(), b",".join(inside)), kind, source, contents)
