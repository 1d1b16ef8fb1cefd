"""Stores what gateways publish to the broker.

Nobody waits for an answer, so nothing is refused outright: what cannot be counted ends in the quarantine with its reason.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from metering.ingest.formats.bodies import redact_json
from metering.ingest.formats.payloads import packed
from metering.ingest.formats.repeated import AsWritten
from metering.ingest.formats.translated import Untranslatable
from metering.ingest.intake.receive import RefusalReason, receive
from metering.ingest.models import Batch
from workspaces import audit
from workspaces.models import Gateway
from workspaces.names import storable_text

log = structlog.get_logger(__name__)

# In whose name the quarantine keeps what names no gateway of ours. It has no token, so nobody can send as it.
NAMELESS = "Celery"
NO_GATEWAY = RefusalReason("unknown_gateway", "The message does not name a gateway of this installation.")
OTHER_GATEWAY = RefusalReason("wrong_gateway", "The message names another gateway than the one whose queue it came through.")

Content = bytes | Untranslatable


def store_call(args: list[Any], kwargs: dict[str, Any], now: datetime, sender: Gateway | None = None) -> list[Batch]:
    """Stores what a call of the task `metering.ingest_events` carries: `events`, and `gateway_id` as far as it is needed.

    `sender` is the gateway whose queue it came through. Arguments that name no events are kept in the quarantine.
    """
    named = dict(zip(("events", "gateway_id"), args, strict=False)) | kwargs
    gateway_id = named.pop("gateway_id", None)
    events = named.pop("events", None)
    return store_events(named if events is None and named else events, gateway_id, now, sender)


def store_events(events: Any, gateway_id: Any, now: datetime, sender: Gateway | None = None) -> list[Batch]:
    """Stores a list of events, or `{"events": [...]}`; any number of them. Raises InboxFull.

    Sent again, it is stored again, and its events are found to be duplicates.
    """
    if isinstance(events, dict) and not isinstance(events, AsWritten):
        events = events.get("events", events)
    contents = [_content(event) for event in events] if isinstance(events, list) else []
    if not contents:
        contents = [Untranslatable("malformed_batch", "The message must carry a list of events.", readable_message(events))]
    gateway, reason = _named(gateway_id, now) if sender is None else _sender(sender, gateway_id)
    return [receive(packed(batch, source=Batch.Source.CELERY), gateway, now, reason) for batch in _batches(contents)]


def store_refused(refused: Untranslatable, sender: Gateway, now: datetime) -> Batch:
    """Keeps a message that is no call of the task in the quarantine. Raises InboxFull."""
    return receive(packed([refused], source=Batch.Source.CELERY), sender, now)


def _content(event: Any) -> Content:
    """An event's bytes; text that is no Unicode stays escaped, and is refused where it is read."""
    try:
        content = redact_json(json.dumps(event, allow_nan=False, default=_text).encode())
    except ValueError:
        return Untranslatable("invalid_event", "NaN and Infinity are not JSON numbers.", readable_message(event))
    if len(content) > settings.INGEST_MAX_BYTES:
        return Untranslatable("event_too_large", "The event has more than 5 MiB.", content)
    return content


def _text(value: Any) -> str:
    """Celery's JSON brings times, UUIDs and decimals back as what they were when they were sent."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def readable_message(message: Any) -> bytes:
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


def _sender(sender: Gateway, gateway_id: Any) -> tuple[Gateway, RefusalReason | None]:
    """The gateway whose queue it is. What the message says of itself can only contradict that."""
    return sender, None if gateway_id in (None, sender.public_id) else OTHER_GATEWAY


def _named(gateway_id: Any, now: datetime) -> tuple[Gateway, RefusalReason | None]:
    """The gateway that the message names, from a publisher who may use the product's own queue, and so is trusted with all."""
    named = None if gateway_id is None else Gateway.objects.filter(public_id=storable_text(str(gateway_id))).first()
    if named is not None:
        return named, None
    log.warning("unknown_gateway", gateway_id=gateway_id)
    return _nameless(now), NO_GATEWAY


def _nameless(now: datetime) -> Gateway:
    found = Gateway.objects.filter(name=NAMELESS, credentials__isnull=True).order_by("id").first()
    return found or _make_nameless(now)


def _make_nameless(now: datetime) -> Gateway:
    with transaction.atomic():
        gateway = Gateway.objects.create(name=NAMELESS, created_at=now, revoked_at=now)
        audit.record("broker", "gateway.created", gateway.public_id, now=now, name=NAMELESS)
    return gateway
