"""Secrets: `omx_<kind>_` + 30 random base62 + 6 base62 of the CRC32 of those 30.

The checksum lets a typo, a truncated paste or a guess be refused without asking the database, and lets secret scanners
tell ours from noise. Only the SHA-256 of a secret is ever stored: 178 random bits need no salt and no slow hash.
"""

import hashlib
import re
import secrets
import zlib
from enum import StrEnum

from workspaces.ids import ALPHABET, base62

RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
SCHEME = "Bearer"


class Kind(StrEnum):
    """Whom a secret speaks for: a workspace's key of three kinds, a gateway, or a program of the operators."""

    LIVE = "live"
    TEST = "test"
    ADMIN = "admin"
    GATEWAY = "gateway"
    OPERATOR = "operator"


SECRET = re.compile(rf"omx_({'|'.join(Kind)})_([0-9A-Za-z]{{{RANDOM_LENGTH}}})([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})", re.ASCII)


def new_secret(kind: str) -> str:
    """A new secret of this kind. Raises ValueError for a kind there is not."""
    random30 = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return f"{prefix_of_kind(kind)}{random30}{checksum(random30)}"


def prefix_of_kind(kind: str) -> str:
    return f"omx_{Kind(kind)}_"


def checksum(random30: str) -> str:
    """CRC32 of the random part in base62, left-padded with zeros to six characters."""
    return base62(zlib.crc32(random30.encode()), CHECKSUM_LENGTH)


def secret_kind(secret: str) -> Kind | None:
    """The kind of what could have been issued, by its form and checksum; else None. Never touches the database."""
    match = SECRET.fullmatch(secret)
    if match is None or checksum(match[2]) != match[3]:
        return None
    return Kind(match[1])


def sha256(secret: str) -> bytes:
    """32 bytes: all that is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def prefix_of(secret: str) -> str:
    """What may be shown from the front: the kind and four of the random characters, such as `omx_live_4fTq`."""
    return secret[: secret.index("_", len("omx_")) + 5]


def last_four(secret: str) -> str:
    return secret[-4:]


def bearer_secret(authorization: str | None) -> str | None:
    """What follows `Bearer` in the header; None when there is no header or it speaks another scheme."""
    scheme, _, secret = (authorization or "").strip().partition(" ")
    return secret.strip() if scheme.lower() == SCHEME.lower() else None
