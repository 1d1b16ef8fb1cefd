"""The Celery door: a gateway that can publish to the broker sends its events in a task, and that task stores them here.

Nobody waits for an answer, so nothing is refused outright: what cannot be read ends in the quarantine with its reason.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings

from metering.ingest.bodies import redact_json
from metering.ingest.door import take_in
from metering.ingest.events import without_nul
from metering.ingest.foreign import Untranslatable
from metering.ingest.models import Batch
from metering.ingest.parcels import packed
from workspaces.models import Gateway

log = structlog.get_logger(__name__)

# Whose batches these are when the message names no gateway.
NAMELESS = "Celery"

Content = bytes | Untranslatable


def take_in_message(events: Any, gateway_id: str | None, now: datetime) -> list[Batch]:
    """Stores what a message carries: a list of events, or `{"events": [...]}`; any number of them. Raises InboxFull.

    Sent again, it is stored again, and its events are found to be duplicates.
    """
    if isinstance(events, dict):
        events = events.get("events", events)
    contents = [_content(event) for event in events] if isinstance(events, list) else []
    if not contents:
        contents = [Untranslatable("malformed_batch", "The message must carry a list of events.", _readable(events))]
    gateway = _gateway(gateway_id)
    return [take_in(packed(batch, source=Batch.Source.CELERY), gateway, now) for batch in _batches(contents)]


def _content(event: Any) -> Content:
    """An event's bytes; text that is no Unicode stays escaped, and is refused where it is read."""
    try:
        content = redact_json(json.dumps(event, allow_nan=False, default=_text).encode())
    except ValueError:
        return Untranslatable("invalid_event", "NaN and Infinity are no JSON numbers.", _readable(event))
    if len(content) > settings.INGEST_MAX_BYTES:
        return Untranslatable("event_too_large", "The event has more than 5 MiB.", content)
    return content


def _text(value: Any) -> str:
    """Celery's JSON brings times, UUIDs and decimals back as what they were when they were sent."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _readable(message: Any) -> bytes:
    """Whatever it is, for a person to read."""
    return redact_json(json.dumps(message, default=repr).encode())


def _batches(contents: list[Content]) -> Iterator[list[Content]]:
    """Within the bounds of a batch."""
    batch: list[Content] = []
    size = 0
    for content in contents:
        length = len(content) if isinstance(content, bytes) else 0
        if len(batch) == settings.INGEST_MAX_EVENTS or size + length > settings.INGEST_MAX_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(content)
        size += length
    yield batch


def _gateway(public_id: str | None) -> Gateway:
    """The gateway by its id. An unknown one costs no event its place: whose usage it is, the key says."""
    if public_id is not None:
        named = Gateway.objects.filter(public_id=without_nul(str(public_id))).first()
        if named is not None:
            return named
        log.warning("unknown_gateway", gateway_id=public_id)
    return Gateway.objects.filter(name=NAMELESS).order_by("id").first() or Gateway.objects.create(name=NAMELESS)
