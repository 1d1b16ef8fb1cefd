"""What changed in the settings since the last start: names and, of what is no secret, values."""

import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from omixa_billing.command_actor import command_actor
from workspaces.audit.entries import record
from workspaces.audit.models import AuditEntry, KnownSetting

# By their names; an address may carry a password.
SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|KEY|_URL$")
PUBLIC = {"PUBLIC_URL", "GATEWAY_URL"}
KEY = "SECRET_KEY"
UNSET = "unset"
LONGEST = 200


def note_settings(names: Iterable[str], now: datetime) -> AuditEntry | None:
    """Compares with what the last start saw, and records the difference in one entry; the first start records none."""
    found = {name: os.environ.get(name) for name in names}
    with transaction.atomic():
        known = dict(KnownSetting.objects.select_for_update().values_list("name", "value"))
        seen = {name: _value_to_store(name, value) for name, value in found.items()}
        changed = {name: value for name, value in seen.items() if known.get(name, UNSET) != value}
        if known and KEY in changed:  # what the other secrets are changes by, is new itself
            changed = {name: value for name, value in changed.items() if name == KEY or not _is_secret(name)}
        rows = [KnownSetting(name=name, value=value) for name, value in seen.items()]
        KnownSetting.objects.bulk_create(rows, update_conflicts=True, update_fields=["value"], unique_fields=["name"])
        if not known or not changed:
            return None
        changes = {
            name: [_change(name, known.get(name, UNSET)), _change(name, value)] for name, value in sorted(changed.items())
        }
        return record(command_actor("start"), "settings.changed", "settings", now=now, changes=changes)


def _is_secret(name: str) -> bool:
    return name not in PUBLIC and SECRET.search(name) is not None


def _value_to_store(name: str, value: str | None) -> str:
    """The value, or of a secret what only the same secret gives again."""
    if value is None:
        return UNSET
    if not _is_secret(name):
        return value[:LONGEST]
    return hmac.new(settings.SECRET_KEY.encode(), f"{name}={value}".encode(), hashlib.sha256).hexdigest()


def _change(name: str, value: str) -> str:
    return "a secret" if _is_secret(name) and value != UNSET else value
