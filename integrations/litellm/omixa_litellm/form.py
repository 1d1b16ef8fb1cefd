"""The form of a key: `omx_<kind>_`, 30 random base62 characters, and six of their checksum.

A typo, half a key or a guess is refused here, without asking anybody.
"""

import re
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY = re.compile(r"omx_(live|test|admin|gateway)_([0-9A-Za-z]{30})([0-9A-Za-z]{6})", re.ASCII)


def kind_of_key(secret: str) -> str | None:
    """`live`, `test`, `admin` or `gateway`; None for what cannot have been issued."""
    match = KEY.fullmatch(secret)
    return match[1] if match is not None and checksum(match[2]) == match[3] else None


def checksum(random30: str) -> str:
    """CRC32 in base62, left-padded with zeros to six characters."""
    number, digits = zlib.crc32(random30.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits.rjust(6, "0")
