"""Whether the person or key that acts still may, asked again under the lock of the workspace."""

from collections.abc import Collection

from django.db import connection

from workspaces.access.authentication import INVOICE_READERS, KEY_MANAGERS
from workspaces.access.permissions import check_scope_of
from workspaces.errors import KeyFrozen, NotAllowed, Unauthenticated
from workspaces.models import APIKey, Membership, User, Workspace

OWNERS = {Membership.Role.OWNER}
FROZEN_MEANWHILE = "This key was frozen meanwhile: use another one."


def check_still_allowed(
    workspace: Workspace,
    user: User | None,
    maker: APIKey | None = None,
    roles: Collection[str] = KEY_MANAGERS,
    scope: str = APIKey.Scope.KEYS,
) -> None:
    """Looks again, so that a request which began before a removal, a demotion, a revocation, a freeze or a limit of its key,
    or the end of the account, does nothing after it.

    Waits for those: they hold the workspace, or the person's row. Operators need no role; a command is neither a person nor
    a key. Raises NotAllowed, Unauthenticated, KeyFrozen, KeyIsLimited.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM workspaces_workspace WHERE id = %s FOR SHARE", [workspace.pk])
        if user is not None:
            cursor.execute("SELECT is_staff FROM workspaces_user WHERE id = %s AND is_active FOR SHARE", [user.pk])
            if (found := cursor.fetchone()) is None:
                raise Unauthenticated("Your account is switched off.")
    if maker is not None:
        by_now = APIKey.objects.unrevoked().filter(pk=maker.pk).first()
        if by_now is None:
            raise Unauthenticated("This key was revoked: use another one.")
        if by_now.frozen_at is not None:
            raise KeyFrozen(FROZEN_MEANWHILE)
        check_scope_of(by_now, scope)
    if user is None or found[0]:
        return
    if not Membership.objects.filter(workspace=workspace, user=user, role__in=roles).exists():
        raise NotAllowed("Your role in this workspace does not include this any more.")


def check_may_still_pay(workspace: Workspace, user: User | None, maker: APIKey | None = None) -> None:
    """The same of what costs the workspace money or decides how it pays. Raises what `check_still_allowed` raises."""
    check_still_allowed(workspace, user, maker, INVOICE_READERS, APIKey.Scope.PAYMENTS)
