"""What an edit changed, for the audit trail: fields by path, before and after, without secrets."""

import json
from typing import Any

from metering.ingest.formats.secrets import content_without_secrets, text_without_secrets

LONGEST = 200
MOST = 50


def edits(before: bytes, after: bytes) -> dict[str, Any]:
    """`{"usage.total_tokens": [2307, 2306]}`; null where a field was not there. What was no JSON object is `whole`."""
    old, new = _decoded(before), _decoded(after)
    if not isinstance(old, dict) or not isinstance(new, dict):
        return {"whole": [_short(old), _short(new)]}
    return dict(list(_differences(old, new, "").items())[:MOST])


def _decoded(content: bytes) -> Any:
    text = content.decode("utf-8", "replace")
    try:
        return content_without_secrets(json.loads(text))
    except (ValueError, RecursionError):
        return text_without_secrets(text)


def _differences(old: dict[str, Any], new: dict[str, Any], path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            found |= _differences(before, after, f"{path}{name}.")
        elif (before, type(before)) != (after, type(after)):
            found[f"{path}{name}"[:LONGEST]] = [_short(before), _short(after)]
    return found


def _short(value: Any) -> Any:
    """As JSON that a trail can keep: no NUL, no half characters, not longer than anybody reads."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    text = text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
