"""Who calls the operators' API, and whether their key goes so far. No key of a workspace and no session opens it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from omixa_billing.rate_limits.middleware import accept_credential
from workspaces.access.authentication import issued_kind, note_use, refusals_recorded
from workspaces.errors import KeyIsLimited, Unauthenticated, WrongKindOfCredential
from workspaces.keys import secrets
from workspaces.keys.presented import secret_of
from workspaces.operators.keys import is_superuser
from workspaces.operators.models import OperatorKey

if TYPE_CHECKING:  # rest_framework.views imports the default permissions, which import this package
    from rest_framework.views import APIView


@dataclass(frozen=True, slots=True)
class OperatorCaller:
    """A program of the operators, by its key."""

    key: OperatorKey

    @property
    def actor(self) -> str:
        """As the audit trail names it, where it counts as an operator."""
        return self.key.public_id


class OperatorAuthentication(BaseAuthentication):
    """`Authorization: Bearer omx_operator_...`"""

    def authenticate(self, request: Request) -> tuple[Any, OperatorCaller] | None:
        secret = secret_of(request._request)
        if secret is None:
            return None
        caller = authenticate_operator(secret, timezone.now())
        accept_credential(request._request)
        return AnonymousUser(), caller

    def authenticate_header(self, request: Request) -> str:
        return secrets.SCHEME


class OperatorMay(BasePermission):
    """A key of operators with the scope that the view names for the method: `scopes`, by method."""

    message = "This needs an omx_operator_ key."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, OperatorCaller):
            return False
        needed = view.scope  # type: ignore[attr-defined]
        if needed not in request.auth.key.scopes:
            raise KeyIsLimited(f"This key may only: {request.auth.key.scopes_in_words}. This needs the scope {needed}.")
        return True


def operator_caller(request: Request) -> OperatorCaller:
    """The caller of a view that `OperatorMay` guards."""
    return cast(OperatorCaller, request.auth)


def authenticate_operator(secret: str, now: datetime) -> OperatorCaller:
    """Raises Unauthenticated, WrongKindOfCredential. A refusal is in the audit trail."""
    with refusals_recorded(secret, now):
        if issued_kind(secret) != secrets.Kind.OPERATOR:
            raise WrongKindOfCredential("This is not an operator's key: use an omx_operator_ key here.")
        key = OperatorKey.objects.select_related("created_by").filter(sha256=secrets.sha256(secret)).first()
        if key is None:
            raise Unauthenticated("This key is unknown: it may belong to another installation.")
        check_works(key, now)
        note_use(key, now)
    return OperatorCaller(key)


def check_works(key: OperatorKey, now: datetime) -> None:
    """Raises Unauthenticated."""
    if key.revoked_at is not None:
        raise Unauthenticated("This key was revoked: use another one.")
    if key.expires_at <= now:
        raise Unauthenticated("This key has expired: use another one.")
    if key.created_by is not None and not is_superuser(key.created_by):
        raise Unauthenticated("The person who created this key is no longer a superuser: use another one.")


def check_still_works(caller: OperatorCaller, now: datetime) -> None:
    """The same under a lock, so that what began before a revocation does nothing after it. Raises Unauthenticated."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM workspaces_operatorkey WHERE id = %s FOR SHARE", [caller.key.pk])
    check_works(OperatorKey.objects.select_related("created_by").get(pk=caller.key.pk), now)
