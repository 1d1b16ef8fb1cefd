"""Whether a report of leaked secrets is GitHub's: it signs the raw body with a key that it publishes.

The published keys are kept for all processes. A report under an identifier that is not among them has them fetched again, but
seldom, however many of them come; until then such a report is to be sent again.
"""

import base64
import json
import re
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any

import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.cache import cache

from metering.errors import LeakReportForged, ScanningKeysUnavailable

log = structlog.get_logger(__name__)

KEPT, ASKED = "secret_scanning:keys", "secret_scanning:asked"
# GitHub answers strangers 60 times an hour.
LEAST_SECONDS_BETWEEN = 120
OLD_AFTER = timedelta(days=1)
TIMEOUT_SECONDS = 5
MOST_BYTES = 256 * 1024
IDENTIFIER = re.compile(r"[0-9a-f]{8,128}", re.ASCII)
LONGEST_SIGNATURE = 200


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """PEM texts by identifier, as they were when they were fetched."""

    fetched_at: datetime
    keys: dict[str, str]


def check_signature(body: bytes, identifier: str, signature: str, now: datetime) -> None:
    """Raises LeakReportForged for what GitHub did not sign, and ScanningKeysUnavailable where that cannot be said now."""
    if not IDENTIFIER.fullmatch(identifier) or not 0 < len(signature) <= LONGEST_SIGNATURE:
        raise LeakReportForged(
            "The headers Github-Public-Key-Identifier and Github-Public-Key-Signature are missing or malformed."
        )
    key = key_named(identifier, now)
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):  # or no base64
        raise LeakReportForged("The signature does not match this body and this key.") from None


def key_named(identifier: str, now: datetime) -> EllipticCurvePublicKey:
    """Raises LeakReportForged, ScanningKeysUnavailable."""
    kept = _kept()
    fetched = None
    if kept is None or identifier not in kept.keys or kept.fetched_at < now - OLD_AFTER:
        fetched = _fetched(now)
    known = fetched or kept
    if known is not None and identifier in known.keys:
        return _loaded(known.keys[identifier])
    if fetched is None:  # it may be newer than what is kept
        raise ScanningKeysUnavailable(
            "GitHub's public keys could not be fetched: send the report again.", retry_after=LEAST_SECONDS_BETWEEN
        )
    raise LeakReportForged("GitHub does not publish a key with this identifier.")


def _kept() -> PublishedKeys | None:
    """In the cache there are plain values, which another release can read."""
    found = cache.get(KEPT)
    return None if found is None else PublishedKeys(*found)


def _fetched(now: datetime) -> PublishedKeys | None:
    """None where it failed, or where it was tried just now."""
    if not cache.add(ASKED, True, LEAST_SECONDS_BETWEEN):
        return None
    try:
        found = PublishedKeys(now, _keys_of(_document()))
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        log.warning("scanning_keys_not_fetched", error=repr(error))
        return None
    cache.set(KEPT, (found.fetched_at, found.keys), None)
    return found


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: it could lead anywhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _document() -> Any:
    """The list as it is published. The setting is an http(s) address (settings.py)."""
    request = urllib.request.Request(settings.SECRET_SCANNING_KEYS_URL, headers={"Accept": "application/json"})  # noqa: S310
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
        content = answer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError("the list of keys is too long")
    return json.loads(content)


def _keys_of(document: Any) -> dict[str, str]:
    """Those that cannot be read are left out: the others still count."""
    found = {str(each["key_identifier"]): str(each["key"]) for each in document["public_keys"]}
    return {identifier: pem for identifier, pem in found.items() if _is_readable(pem)}


def _is_readable(pem: str) -> bool:
    try:
        _loaded(pem)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def _loaded(pem: str) -> EllipticCurvePublicKey:
    """Raises ValueError for what is no key on the curve P-256."""
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("not a key on the curve P-256")
    return key
