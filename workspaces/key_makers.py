"""Which keys a person made or holds a secret of, and that no more are made once the person or key may not."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Q

from workspaces.authentication import KEY_MANAGERS
from workspaces.errors import KeyIsLimited, Unauthenticated
from workspaces.models import APIKey, Membership, User, Workspace


@dataclass(frozen=True)
class KeyChoice:
    """What becomes of a person's keys, by their ids. Not named: admin keys are revoked and the others keep working."""

    revoke: Collection[str] = field(default=frozenset())
    keep: Collection[str] = field(default=frozenset())

    def revokes(self, key: APIKey) -> bool:
        if key.public_id in self.revoke:
            return True
        return key.kind == APIKey.Kind.ADMIN and key.public_id not in self.keep


BY_DEFAULT = KeyChoice()


def keys_of_person(workspace: Workspace | None, user: User, now: datetime) -> list[APIKey]:
    """Not revoked, newest first: keys that the person made or was shown a secret of that still works; without a workspace
    those of all.

    An admin key of theirs makes and rotates keys for them, so its keys are theirs too, however often removed.
    """
    keys = APIKey.objects.all() if workspace is None else APIKey.objects.filter(workspace=workspace)
    works = Q(credentials__expires_at__isnull=True) | Q(credentials__expires_at__gt=now)
    level = set(keys.filter(Q(created_by=user) | Q(works, credentials__given_to=user)).values_list("pk", flat=True))
    found: set[int] = set()
    while level:
        found |= level
        made = Q(created_by_key__in=level) | Q(works, credentials__given_to_key__in=level)
        level = set(keys.filter(made).values_list("pk", flat=True)) - found
    return list(keys.filter(pk__in=found, revoked_at__isnull=True).select_related("workspace").order_by("-pk"))


def check_may_make_keys(workspace: Workspace, user: User | None, maker: APIKey | None) -> None:
    """Looks again, so that a request which began before a removal, a demotion, a revocation or the end of the account
    makes no key after it.

    Waits for those: they hold the workspace, or the person's row. Raises KeyIsLimited, Unauthenticated.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM workspaces_workspace WHERE id = %s FOR SHARE", [workspace.pk])
        if user is not None:
            cursor.execute("SELECT 1 FROM workspaces_user WHERE id = %s AND is_active FOR SHARE", [user.pk])
            if cursor.fetchone() is None:
                raise Unauthenticated("Your account is switched off.")
    if maker is not None and not APIKey.objects.filter(pk=maker.pk, revoked_at__isnull=True).exists():
        raise Unauthenticated("This key was revoked: use another one.")
    if user is None or user.is_staff:
        return
    if not Membership.objects.filter(workspace=workspace, user=user, role__in=KEY_MANAGERS).exists():
        raise KeyIsLimited("Your role in this workspace does not include making keys any more.")
