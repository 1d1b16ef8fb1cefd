"""Requests as the Standard Webhooks specification 1.0 has them: https://www.standardwebhooks.com"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from datetime import datetime

from metering.notifications.models import Notification
from omixa_billing.instants import instant_text

PREFIX = "whsec_"
SECRET_BYTES = 32  # of the 24 to 64 that the specification wants


def new_signing_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def body_of(notification: Notification) -> bytes:
    """The same bytes each time. `timestamp` is when it happened; when it is sent is in a header."""
    workspace = notification.workspace
    content = {
        "type": notification.type,
        "timestamp": instant_text(notification.created_at),
        "workspace_id": None if workspace is None else workspace.public_id,
        "data": notification.data,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(notification_id: str, body: bytes, secrets: Iterable[str], now: datetime) -> dict[str, str]:
    """The headers that identify and sign this body, once with each secret."""
    timestamp = str(int(now.timestamp()))
    content = b".".join((notification_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": notification_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
