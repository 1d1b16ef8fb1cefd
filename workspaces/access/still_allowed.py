"""Whether the person or key that acts still may, asked again under the lock of the workspace."""

from collections.abc import Collection

from django.db import connection

from workspaces.access.authentication import KEY_MANAGERS
from workspaces.errors import NotAllowed, Unauthenticated
from workspaces.models import APIKey, Membership, User, Workspace

OWNERS = {Membership.Role.OWNER}


def check_still_allowed(
    workspace: Workspace, user: User | None, maker: APIKey | None = None, roles: Collection[str] = KEY_MANAGERS
) -> None:
    """Looks again, so that a request which began before a removal, a demotion, a revocation or the end of the account
    does nothing after it.

    Waits for those: they hold the workspace, or the person's row. Operators need no role; a command is neither a person nor
    a key. Raises NotAllowed, Unauthenticated.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM workspaces_workspace WHERE id = %s FOR SHARE", [workspace.pk])
        if user is not None:
            cursor.execute("SELECT is_staff FROM workspaces_user WHERE id = %s AND is_active FOR SHARE", [user.pk])
            if (found := cursor.fetchone()) is None:
                raise Unauthenticated("Your account is switched off.")
    if maker is not None and not APIKey.objects.filter(pk=maker.pk, revoked_at__isnull=True).exists():
        raise Unauthenticated("This key was revoked: use another one.")
    if user is None or found[0]:
        return
    if not Membership.objects.filter(workspace=workspace, user=user, role__in=roles).exists():
        raise NotAllowed("Your role in this workspace does not include this any more.")
