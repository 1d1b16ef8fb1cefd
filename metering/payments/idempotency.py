"""`Idempotency-Key`: asking twice is asking once. A key is good for ever, within its workspace."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction

from metering.errors import IdempotencyKeyRequired, IdempotencyKeyReused
from metering.payments.models import IdempotencyKey
from workspaces.locks import lock_workspace
from workspaces.models import Workspace

HEADER = "Idempotency-Key"
LONGEST = 255


def idempotency_key_of(headers: Any) -> str:
    """The caller's key. Raises IdempotencyKeyRequired when there is none, or none that can be kept."""
    key = str(headers.get(HEADER) or "").strip()
    if not key or len(key) > LONGEST or not key.isascii() or not key.isprintable():
        raise IdempotencyKeyRequired(
            f"This moves money: send an {HEADER} header of 1 to {LONGEST} printable ASCII characters, a new one for each "
            "new act and the same one when you repeat a request.",
            param=HEADER,
        )
    return key


def remembered(workspace: Workspace, key: str, asked: dict[str, Any]) -> str | None:
    """What `once` made under the key; None when it is new. Raises IdempotencyKeyReused."""
    before = IdempotencyKey.objects.filter(workspace=workspace, key=key).first()
    if before is None:
        return None
    if before.asked != digest_of(asked):
        raise IdempotencyKeyReused(f"This {HEADER} was used for another request: send a new one.", param=HEADER)
    return before.made


def once(workspace: Workspace, key: str, asked: dict[str, Any], make: Callable[[], str], now: datetime) -> str:
    """The id that `make` returned when the key was first used; made and remembered in one transaction.

    Two at once wait for each other; what `make` raises is not remembered. Raises IdempotencyKeyReused when the key asked
    for something else before.
    """
    with transaction.atomic():
        lock_workspace(workspace.pk)
        made = remembered(workspace, key, asked)
        if made is None:
            made = make()
            digest = digest_of(asked)
            IdempotencyKey.objects.create(workspace=workspace, key=key, asked=digest, made=made, created_at=now)
        return made


def digest_of(asked: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
