"""Freezing a key and unfreezing it: until then it is refused wherever a revoked one is, and unlike that it may work again.

Who unfreezes a key decides that it is safe: its secrets are the same as before, also after a leak, unless it was rotated.
"""

from datetime import datetime

from django.db import transaction
from django.dispatch import Signal

from workspaces import audit
from workspaces.access.still_allowed import FROZEN_MEANWHILE, check_still_allowed
from workspaces.errors import KeyFreezesItself, KeyFrozen, KeyRevoked
from workspaces.keys.limits import check_not_stronger
from workspaces.models import APIKey, User

Reason = APIKey.Freeze

# Sent with `key`, `reason` and `now` inside the transaction that freezes: later stages tell of it.
key_frozen = Signal()


@transaction.atomic
def freeze_key(
    key: APIKey,
    actor: str,
    now: datetime,
    user: User | None = None,
    maker: APIKey | None = None,
    reason: Reason = Reason.REQUESTED,
) -> bool:
    """Every secret of the key is refused from the commit on. False when it was frozen before, which keeps its time and reason;
    only a leak takes the place of another reason.

    Who asks for it is `user`, a person, or `maker`, an admin key, which cannot freeze itself: only another key or a person
    could take that back. Raises KeyFreezesItself, KeyRevoked, and what `check_still_allowed` raises.
    """
    if maker is not None and maker.pk == key.pk:
        raise KeyFreezesItself("An admin key cannot freeze itself, for it could not unfreeze itself: use another one.")
    check_still_allowed(key.workspace, user, maker)
    locked = _locked(key, maker)
    if locked.revoked_at is not None:
        raise KeyRevoked("This key is revoked and stays so: there is nothing to freeze.")
    if locked.frozen_reason and (reason != Reason.LEAKED or locked.frozen_reason == Reason.LEAKED):
        return False
    APIKey.objects.filter(pk=key.pk).update(frozen_at=now, frozen_reason=reason.value, frozen_by=user, frozen_by_key=maker)
    audit.record(actor, "key.frozen", key.public_id, key.workspace, now=now, reason=reason.value)
    key_frozen.send(sender=None, key=key, reason=reason.value, now=now)
    return True


@transaction.atomic
def unfreeze_key(key: APIKey, actor: str, now: datetime, user: User | None = None, maker: APIKey | None = None) -> bool:
    """Its secrets work again. False when it was not frozen. Raises KeyRevoked, KeyIsLimited where a limited key would give back
    more than it has, and what `check_still_allowed` raises.
    """
    check_still_allowed(key.workspace, user, maker)
    locked = _locked(key, maker)
    check_not_stronger(maker, locked.kind, locked.scopes, locked.expires_at)
    if locked.revoked_at is not None:
        raise KeyRevoked("This key is revoked and stays so: create a new one.")
    if locked.frozen_at is None:
        return False
    APIKey.objects.filter(pk=key.pk).update(frozen_at=None, frozen_reason="", frozen_by=None, frozen_by_key=None)
    audit.record(actor, "key.unfrozen", key.public_id, key.workspace, now=now, reason=locked.frozen_reason)
    return True


def _locked(key: APIKey, maker: APIKey | None) -> APIKey:
    """With the key that asks, in one order: of two admin keys that freeze each other only the first does. Raises KeyFrozen."""
    pks = {key.pk} if maker is None else {key.pk, maker.pk}
    rows = {row.pk: row for row in APIKey.objects.filter(pk__in=pks).select_for_update(no_key=True).order_by("pk")}
    if maker is not None and maker.pk != key.pk and rows[maker.pk].frozen_at is not None:
        raise KeyFrozen(FROZEN_MEANWHILE)
    return rows[key.pk]
