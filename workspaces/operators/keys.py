"""Making and revoking keys of operators. One that is to be replaced is made beside the old one, which is revoked afterwards."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.errors import InvalidExpiry, NotAllowed
from workspaces.keys import secrets
from workspaces.models import User
from workspaces.names import clean_name
from workspaces.operators.models import OperatorKey

USUAL_DAYS, MOST_DAYS = 90, 366


@transaction.atomic
def create_operator_key(
    name: str, scopes: Iterable[str], expires_at: datetime | None, actor: str, now: datetime, user: User | None = None
) -> tuple[OperatorKey, str]:
    """A new key and its secret, which is not kept. `user` is the superuser who makes it; a command is none.

    Without `expires_at` it lasts 90 days. Raises InvalidName, InvalidParameter, InvalidExpiry and NotAllowed.
    """
    if user is not None and not is_superuser(user):
        raise NotAllowed("Keys of operators are made by superusers.")
    granted = [each for each in OperatorKey.Scope.values if each in set(scopes)]
    if not granted or set(scopes) != set(granted):
        raise InvalidParameter(f"A key has one or more of the scopes {', '.join(OperatorKey.Scope.values)}.", param="scopes")
    expires_at = expires_at or now + timedelta(days=USUAL_DAYS)
    if not now < expires_at <= now + timedelta(days=MOST_DAYS):
        raise InvalidExpiry(f"A key of operators expires within {MOST_DAYS} days.", param="expires_at")
    secret = secrets.new_secret(secrets.Kind.OPERATOR)
    key = OperatorKey.objects.create(
        name=clean_name(name),
        scopes=granted,
        sha256=secrets.sha256(secret),
        prefix=secrets.prefix_of(secret),
        last_four=secrets.last_four(secret),
        created_at=now,
        created_by=user,
        expires_at=expires_at,
    )
    what = {"name": key.name, "scopes": granted, "expires_at": expires_at.isoformat(), "last_four": key.last_four}
    audit.record(actor, "operator_key.created", key.public_id, None, now=now, **what)
    return key, secret


@transaction.atomic
def revoke_operator_key(key: OperatorKey, actor: str, now: datetime) -> bool:
    """It stops now, for good. False when it was revoked before."""
    moved = OperatorKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now)
    if moved:
        audit.record(actor, "operator_key.revoked", key.public_id, None, now=now, name=key.name)
    return bool(moved)


def is_superuser(user: User) -> bool:
    return bool(user.is_active and user.is_staff and user.is_superuser)
