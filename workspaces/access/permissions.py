"""What a caller may do, as DRF permissions over the caller's own words.

Reading is a matter of the role. Whatever else a view does is one of the scopes of admin keys, which the view names as
`scope`; it is looked at here and nowhere else. A view that names none is closed to every limited key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from omixa_billing.http.addresses import SAFE
from workspaces.access.authentication import Caller
from workspaces.errors import KeyIsLimited
from workspaces.models import APIKey

if TYPE_CHECKING:  # rest_framework.views imports this module: it is the default permission
    from rest_framework.views import APIView


def caller_of(request: Request) -> Caller:
    """The caller of a view that these permissions guard."""
    return cast(Caller, request.auth)


class SeesAWorkspace(BasePermission):
    """A key, or a signed-in member of the workspace they ask about."""

    message = "You are not a member of this workspace, or of any."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, Caller):
            return False
        if request.method not in SAFE:
            check_scope(request.auth, getattr(view, "scope", None))
        return True


def check_scope(caller: Caller, scope: str | None) -> None:
    """Raises KeyIsLimited when the caller is an admin key that does not go so far."""
    if caller.key is not None:
        check_scope_of(caller.key, scope)


def check_scope_of(key: APIKey, scope: str | None) -> None:
    """Raises KeyIsLimited."""
    if key.has_scope(scope):
        return
    has = " and ".join(APIKey.Scope(each).label.lower() for each in key.scopes)
    allowed = f"it may read and {has}" if has else "it may only read"
    needed = "every scope" if scope is None else f"the scope {scope}"
    raise KeyIsLimited(f"This key is limited: {allowed}. This request needs a key with {needed}.")


class SeesWholeWorkspace(SeesAWorkspace):
    message = "This needs an omx_admin_ key: other keys see only their own usage, at /api/v1/usage."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and not caller_of(request).own_key_only


class ManagesKeys(SeesAWorkspace):
    message = "Managing keys needs an omx_admin_ key, or an owner or admin of the workspace."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and caller_of(request).sees_keys


class ManagesBudgets(ManagesKeys):
    """Budgets bound what keys may cost: who manages keys sets them."""

    message = "Budgets need an omx_admin_ key, or an owner or admin of the workspace."


class ManagesWebhooks(ManagesKeys):
    """A webhook hands out what happens in the workspace: who manages keys decides to whom."""

    message = "Webhooks need an omx_admin_ key, or an owner or admin of the workspace."


class SeesInvoices(SeesAWorkspace):
    message = "Invoices need an omx_admin_ key, or an owner, admin or billing member of the workspace."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and caller_of(request).may_see_invoices
