"""Public ids: a readable prefix, then base62 that sorts by creation time, so that indexes on it stay compact."""

import secrets
import time

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_BITS = 71
AUDIT_PREFIX = "aud_"  # of entries of the audit trail, whose ids are their place in it
LENGTH = 20  # base62 digits that hold 48 bits of milliseconds and RANDOM_BITS


def base62(number: int, length: int) -> str:
    """`number` in base62, left-padded with "0" to `length` digits."""
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits)).rjust(length, "0")


def audit_id(pk: int) -> str:
    return f"{AUDIT_PREFIX}{pk}"


def new_id(prefix: str) -> str:
    """A new public id such as `ws_0Vb3...`; unguessable, and in order of creation to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{prefix}_{base62(milliseconds << RANDOM_BITS | secrets.randbits(RANDOM_BITS), LENGTH)}"
