"""The one place that keeps whole secrets of ours out of logs, answers and tables, wherever they stray.

Known by their form alone, since one with a typo is nearly one. What is left says the kind. Requests pass here first, statements
to the database and lines of the log last.
"""

import re
from collections.abc import Callable
from typing import Any

from psycopg.types.json import Json, Jsonb

from workspaces.keys.secrets import CHECKSUM_LENGTH, RANDOM_LENGTH, Kind

_FORM = rf"omx(?:_|%5[Ff])({'|'.join(Kind)})(?:_|%5[Ff])[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}"
_TEXT, _BYTES = re.compile(_FORM), re.compile(_FORM.encode())
# What opens an account or a workspace to its reader: the secret in the address of a page that sets a password, confirms an
# address or accepts an invitation. A member's pages of an invitation, under /settings, hold its id and no secret.
_LINK = re.compile(r"(/accounts/(?:password/reset/key|confirm-email)/|(?<!/settings)/invitations/)[^/\s\"'<>\\]+")
# What signs webhooks, ours and the payment provider's.
_SIGNING = re.compile(r"whsec_[0-9A-Za-z+/=]{16,}")
_PASSWORD = re.compile(r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,30}://[^/\s:@\"]{0,200}:)[^/\s@\"]{1,200}(?=@)")


def redact(text: str) -> str:
    """The text without whole secrets of ours."""
    return _TEXT.sub(r"omx_\1_[removed]", text) if "omx" in text else text


def redact_bytes(data: bytes) -> bytes:
    return _BYTES.sub(rb"omx_\1_[removed]", data) if b"omx" in data else data


def redact_line(line: str) -> str:
    """A line of a log: also without what opens an account, signs webhooks, or is a password in an address."""
    line = redact(line)
    if "/accounts/" in line or "/invitations/" in line:
        line = _LINK.sub(r"\1[removed]", line)
    if "whsec_" in line:
        line = _SIGNING.sub("whsec_[removed]", line)
    return _PASSWORD.sub(r"\1[removed]", line) if "@" in line else line


def redact_value(value: Any) -> Any:
    """The same of anything that a statement takes or JSON holds; the very same object where nothing strays in it."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _if_changed(value, redact_bytes(bytes(value)))
    if isinstance(value, dict):
        return _if_changed(value, {redact_value(name): redact_value(each) for name, each in value.items()})
    if isinstance(value, list):
        return _if_changed(value, [redact_value(each) for each in value])
    if type(value) is tuple:
        return _if_changed(value, tuple(redact_value(each) for each in value))
    if isinstance(value, Json | Jsonb):
        return value if (obj := redact_value(value.obj)) is value.obj else type(value)(obj, value.dumps)
    return value


def holds_secret(value: Any) -> bool:
    return redact_value(value) != value


def _if_changed(before: Any, after: Any) -> Any:
    return before if before == after else after


def redact_statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Around every statement of Django's: no secret of ours is stored, nor reaches the database's own log."""
    if params:
        given = list(params) if many else params
        params = redact_value(given)
    return execute(sql, params, many, context)
