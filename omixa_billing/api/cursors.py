"""A place in a list as an opaque text, which `next_cursor` gives out and `cursor` takes."""

import base64
import binascii
import json
from typing import Any

from omixa_billing.api.errors import InvalidParameter


def encode_cursor(position: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[Any]:
    """The place again, of `length` values. Raises InvalidParameter for what encode_cursor never made."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        position = None
    if not isinstance(position, list) or len(position) != length:
        raise invalid_cursor()
    return position


def decode_name(cursor: str) -> str:
    """The name of a row, the one value of its cursor. Raises InvalidParameter for what no column can hold, too."""
    (name,) = decode_cursor(cursor, 1)
    if not isinstance(name, str) or not name.isprintable():
        raise invalid_cursor()
    return name


def invalid_cursor() -> InvalidParameter:
    return InvalidParameter("This is not a cursor of this list: use `next_cursor` of the page before.", param="cursor")
