"""Content that a gateway sent, as a person may read and edit it: laid out where it is JSON, and without secrets."""

from __future__ import annotations

import json
from typing import Any

from metering.ingest.formats.repeated import as_written
from metering.ingest.formats.secrets import content_without_secrets, text_without_secrets

PREVIEW_BYTES = 64 * 1024


def readable_content(content: bytes, limit: int = PREVIEW_BYTES) -> str:
    """JSON with line breaks where it is JSON, the bytes as text where it is not, cut off at `limit` bytes; without secrets."""
    text = _laid_out(content) if len(content) <= limit else None
    if text is None:
        text = text_without_secrets(content[:limit].decode("utf-8", "replace"))
    # Half an emoji is JSON and no Unicode: a page could not be sent with it.
    text = text.encode("utf-8", "replace").decode()
    return text if len(content) <= limit else f"{text}\n… {len(content) - limit:,} bytes more"


def editable(content: bytes) -> str:
    """The whole content as a form can carry it there and back: half an emoji stays the escape it was."""
    text = _laid_out(content)
    if text is None:
        return text_without_secrets(content.decode("utf-8", "replace"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return _laid_out(content, ascii_only=True) or text
    return text


def has_secrets(content: bytes) -> bool:
    """Whether `editable` leaves anything out."""
    read = _read(content)
    if read is None:
        text = content.decode("utf-8", "replace")
        return text_without_secrets(text) != text
    decoded, cleaned = read
    return bool(cleaned != decoded)


def _laid_out(content: bytes, *, ascii_only: bool = False) -> str | None:
    read = _read(content)
    if read is None:
        return None
    try:
        return json.dumps(read[1], indent=2, ensure_ascii=ascii_only)
    except RecursionError:
        return None


def _read(content: bytes) -> tuple[Any, Any] | None:
    """The JSON as it is, and without secrets; None where it is none, or nested deeper than a person could read."""
    try:
        decoded = json.loads(content, object_pairs_hook=as_written)
        return decoded, content_without_secrets(decoded)
    except (ValueError, RecursionError):
        return None
