"""Mails about keys that expire, to the people who can do something about it: one for each key and expiry."""

from datetime import datetime

from metering.payments.mails.outbox import add_notice
from omixa_billing.instants import instant_text
from workspaces.models import EXPIRES_SOON, APIKey


def tell_of_expiring_keys(now: datetime) -> int:
    """A key whose expiry is moved gets another notice before the new one. How many keys expire soon."""
    soon = APIKey.objects.unrevoked().filter(expires_at__gt=now, expires_at__lte=now + EXPIRES_SOON)
    found = list(soon.select_related("workspace").order_by("expires_at", "pk"))
    for key in found:
        ends = instant_text(key.expires_at) or ""
        context = {"key_id": key.public_id, "name": key.name, "kind": key.get_kind_display(), "expires_at": ends}
        add_notice(key.workspace, "key_expiring", f"key_expiring:{key.public_id}:{ends}", context, now)
    return len(found)
