"""The secrets of a key or gateway: one is given, the older ones run out. Called inside the transaction of an act."""

from datetime import datetime, timedelta
from typing import Any

from workspaces.errors import InvalidGrace
from workspaces.keys import secrets
from workspaces.models import APIKey, Credential, Gateway, User
from workspaces.querysets import CredentialQuerySet

MAX_GRACE = timedelta(days=30)
NO_GRACE = timedelta(0)
# What forms offer, in seconds, to keys and gateways alike.
GRACES = [
    ("0", "Stop at once"),
    ("3600", "For an hour"),
    ("86400", "For a day"),
    ("604800", "For a week"),
    (str(int(MAX_GRACE.total_seconds())), f"For {MAX_GRACE.days} days"),
]
USUAL_GRACE = "86400"


def give_secret(
    kind: str, now: datetime, api_key: APIKey | None = None, gateway: Gateway | None = None, to: User | APIKey | None = None
) -> str:
    """`to` is the person or the admin key that is shown it."""
    secret = secrets.new_secret(kind)
    Credential.objects.create(
        api_key=api_key,
        gateway=gateway,
        sha256=secrets.sha256(secret),
        prefix=secrets.prefix_of(secret),
        last_four=secrets.last_four(secret),
        created_at=now,
        expires_at=None,
        given_to=to if isinstance(to, User) else None,
        given_to_key=to if isinstance(to, APIKey) else None,
    )
    return secret


def replace_secret(
    older: CredentialQuerySet,
    kind: str,
    grace: timedelta,
    now: datetime,
    api_key: APIKey | None = None,
    gateway: Gateway | None = None,
    to: User | APIKey | None = None,
) -> str:
    end = now + grace
    older.working(end).update(expires_at=end)
    return give_secret(kind, now, api_key, gateway, to)


def rotation_detail(secret: str, grace: timedelta) -> dict[str, Any]:
    return {"grace_seconds": int(grace.total_seconds()), "last_four": secrets.last_four(secret)}


def check_grace(grace: timedelta) -> None:
    if not NO_GRACE <= grace <= MAX_GRACE:
        raise InvalidGrace(f"The grace is from 0 to {int(MAX_GRACE.total_seconds())} seconds (30 days).", param="grace_seconds")
