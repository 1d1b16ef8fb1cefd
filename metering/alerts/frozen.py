"""That a key was frozen, by a person, a program or the product: announced in the transaction that does it."""

from datetime import datetime

from metering.notifications.announce import announce
from omixa_billing.instants import instant_text
from workspaces.models import APIKey


def announce_frozen(key: APIKey, reason: str, now: datetime, **signal: object) -> None:
    """Receives `workspaces.keys.freezing.key_frozen`."""
    at = instant_text(now)
    data = {"key_id": key.public_id, "name": key.name, "kind": key.kind, "reason": reason, "frozen_at": at}
    announce(key.workspace, "key.frozen", f"key.frozen:{key.public_id}:{at}", data, now)
