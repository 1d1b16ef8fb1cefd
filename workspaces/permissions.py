"""What a caller may do, as DRF permissions over the caller's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from workspaces.authentication import Caller

if TYPE_CHECKING:  # rest_framework.views imports this module: it is the default permission
    from rest_framework.views import APIView


def caller_of(request: Request) -> Caller:
    """The caller of a view that these permissions guard."""
    return cast(Caller, request.auth)


class SeesAWorkspace(BasePermission):
    """A key, or a signed-in member of the workspace they ask about."""

    message = "You are not a member of this workspace, or of any."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Caller)


class ManagesKeys(SeesAWorkspace):
    message = "Managing keys takes an omx_admin_ key, or an owner or admin of the workspace."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and caller_of(request).may_manage_keys


class SeesInvoices(SeesAWorkspace):
    message = "Invoices take an omx_admin_ key, or an owner, admin or billing member of the workspace."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and caller_of(request).may_see_invoices
