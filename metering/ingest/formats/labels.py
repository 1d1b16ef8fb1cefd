"""What a gateway says beside usage: endpoint, route, end user and metadata, much of it in the words of its own clients.

It says nothing about money. So text in it that PostgreSQL cannot hold is replaced, and never held against the event: else a
client could choose to be billed for nothing.
"""

import json
from typing import Any

import msgspec

from metering.ingest.formats.bodies import open_patiently
from metering.ingest.formats.rejected import Rejected
from metering.ingest.formats.repeated import with_values
from workspaces.names import storable_text
from workspaces.redaction import redact

LABELS = ("endpoint", "route", "user", "metadata")
MAX_METADATA_BYTES = 4096
NUL = "\\u0000"  # as JSON has it; behind another backslash it is none

_encode = msgspec.json.Encoder(order="sorted").encode


def detail_of(sent: Any) -> tuple[str | None, bool]:
    """What is kept beside the counts, as one JSON object in a fixed key order, or None; and whether text in it was replaced.

    Raises Rejected.
    """
    if sent.endpoint is None and sent.route is None and sent.user is None and not sent.metadata:
        return None, False
    said: dict[str, Any] = {}
    if sent.endpoint is not None:
        said["endpoint"] = sent.endpoint
    if sent.route is not None:
        said["route"] = sent.route
    if sent.user is not None:
        said["user"] = sent.user
    if sent.metadata:
        if len(msgspec.json.encode(sent.metadata)) > MAX_METADATA_BYTES:
            raise Rejected("metadata_too_large", "metadata has more than 4 KiB.")
        said["metadata"] = sent.metadata
    detail = _encode(said).decode()
    if NUL not in detail:
        return redact(detail), False
    cleaned = storable_value(said)
    return redact(_encode(cleaned).decode()), cleaned != said


def with_storable_labels(raw: bytes | memoryview) -> bytes | None:
    """An object that a strict decoder refuses, with the halves of characters in its labels replaced; None without any there."""
    try:
        fields = open_patiently(bytes(raw))
        cleaned = storable_labels(fields)
    except (ValueError, RecursionError):
        return None
    return None if cleaned == fields else json.dumps(cleaned).encode()


def storable_labels(event: Any) -> Any:
    """A decoded event, or what stands in its place, with labels that can be stored."""
    if not isinstance(event, dict):
        return event
    return with_values(event, {name: storable_value(event[name]) for name in LABELS if name in event})


def storable_value(value: Any) -> Any:
    """Decoded JSON whose every text PostgreSQL can hold."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, list):
        return [storable_value(each) for each in value]
    if isinstance(value, dict):
        return {storable_text(name): storable_value(each) for name, each in value.items()}
    return value
