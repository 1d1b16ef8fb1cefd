"""Secrets that the product must use again: stored so that the database alone does not give them away.

Sealed with a key that is derived from SECRET_KEY. What an older one sealed opens as long as SECRET_KEY_FALLBACKS names it.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class SealBroken(Exception):
    """Sealed with another SECRET_KEY, or changed since."""


def seal(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises SealBroken."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SealBroken("This secret was sealed with another SECRET_KEY.") from None


def _box() -> MultiFernet:
    return MultiFernet([_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=8)
def _fernet(key: str) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"omixa.sealed").derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
