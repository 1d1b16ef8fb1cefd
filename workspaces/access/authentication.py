"""Who is calling: a workspace's key, a signed-in member, or a gateway.

A credential that could not have been issued is refused without a query; one that could takes a single query, by its
SHA-256. The first refusal of an hour and address is recorded, which takes a few more. What the caller may do with it is
said here once, by role.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from omixa_billing.rate_limits.middleware import accept_credential
from workspaces.audit import credentials as audited_credentials
from workspaces.errors import KeyFrozen, Unauthenticated, WorkspaceSuspended, WrongKindOfCredential
from workspaces.keys import secrets
from workspaces.keys.presented import secret_of
from workspaces.members.current import membership_of
from workspaces.models import APIKey, Gateway, Membership, OperatorKey, User, Workspace

LAST_USED_GRAIN = timedelta(minutes=1)
KEY_ROLE = "key"

KEY_MANAGERS = {Membership.Role.OWNER, Membership.Role.ADMIN}
INVOICE_READERS = {Membership.Role.OWNER, Membership.Role.ADMIN, Membership.Role.BILLING}

GATEWAY_COLUMNS = [str(field.column) for field in Gateway._meta.concrete_fields]
GATEWAY = f"""
SELECT {", ".join(f"gateway.{column}" for column in GATEWAY_COLUMNS)}, credential.expires_at,
    ARRAY(SELECT workspace_id FROM workspaces_gatewayworkspace WHERE gateway_id = gateway.id)
FROM workspaces_credential credential JOIN workspaces_gateway gateway ON gateway.id = credential.gateway_id
WHERE credential.sha256 = %s
"""  # noqa: S608 - the columns of the table
KEY_FIELDS = [field.attname for field in APIKey._meta.concrete_fields]
WORKSPACE_FIELDS = [field.attname for field in Workspace._meta.concrete_fields]
KEY = f"""
SELECT {", ".join(f"key.{field.column}" for field in APIKey._meta.concrete_fields)},
    {", ".join(f"workspace.{field.column}" for field in Workspace._meta.concrete_fields)}, credential.expires_at
FROM workspaces_credential credential JOIN workspaces_apikey key ON key.id = credential.api_key_id
JOIN workspaces_workspace workspace ON workspace.id = key.workspace_id
WHERE credential.sha256 = %s
"""  # noqa: S608 - the columns of the tables

REFUSALS = (Unauthenticated, WrongKindOfCredential, KeyFrozen, WorkspaceSuspended)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who speaks in a customer's request, for which workspace, and as what. DRF views find it in `request.auth`.

    `role` is a member's role, "admin" for an admin key, "key" for a live or test key.
    """

    workspace: Workspace
    key: APIKey | None
    user: User | None
    role: str

    @property
    def actor(self) -> str:
        """As the audit trail names the caller: the key's id, or the person's address."""
        if self.key is not None:
            return self.key.public_id
        assert self.user is not None  # noqa: S101 - a caller is a key or a person
        return self.user.email

    @property
    def own_key_only(self) -> bool:
        """A live or test key sees its own usage and itself, nothing else of the workspace."""
        return self.role == KEY_ROLE

    def has_scope(self, scope: str | None) -> bool:
        """Whether the caller's admin key goes so far; people and other keys have only their role. None: as far as any."""
        return self.key is None or self.key.has_scope(scope)

    @property
    def sees_keys(self) -> bool:
        """All of the workspace's keys, over the API."""
        return self.role in KEY_MANAGERS

    @property
    def may_manage_keys(self) -> bool:
        return self.sees_keys and self.has_scope(APIKey.Scope.KEYS)

    @property
    def may_manage_members(self) -> bool:
        """Owners only: a person who could hand out roles could make themselves an owner."""
        return self.role == Membership.Role.OWNER

    @property
    def may_see_invoices(self) -> bool:
        return self.role in INVOICE_READERS

    @property
    def may_manage_billing(self) -> bool:
        """Pay, and change what payments need. Those who may see invoices may pay them."""
        return self.role in INVOICE_READERS and self.has_scope(APIKey.Scope.PAYMENTS)


def caller_of_member(membership: Membership) -> Caller:
    return Caller(membership.workspace, None, membership.user, membership.role)


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer omx_live_...`, `omx_test_...` or `omx_admin_...`; for clients of Anthropic `X-Api-Key`."""

    def authenticate(self, request: Request) -> tuple[Any, Caller] | None:
        secret = secret_of(request._request)
        if secret is None:
            return None
        caller = authenticate_key(secret, timezone.now())
        accept_credential(request._request)
        return AnonymousUser(), caller

    def authenticate_header(self, request: Request) -> str:
        return secrets.SCHEME


class MemberAuthentication(SessionAuthentication):
    """A signed-in person, with CSRF protection. Without a workspace to speak for, `request.auth` is None: they are
    known, and `SeesAWorkspace` answers 403."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        membership = membership_of(request._request)
        return found[0], None if membership is None else caller_of_member(membership)


def authenticate_key(secret: str, now: datetime) -> Caller:
    """The caller of a workspace key's secret. Raises Unauthenticated, WrongKindOfCredential, KeyFrozen, WorkspaceSuspended.

    An admin key keeps working in a suspended workspace, so that a person can pay. A refusal is in the audit trail.
    """
    with refusals_recorded(secret, now):
        return _caller_of_key(secret, now)


@contextmanager
def refusals_recorded(secret: str, now: datetime) -> Iterator[None]:
    try:
        yield
    except REFUSALS as refusal:
        audited_credentials.note_refused_credential(secret, refusal.code, now)
        raise


def record_refusal(authorization: str | None, refusal: Exception, now: datetime) -> None:
    """Of a credential that was refused where no request was known yet, as the front does before it reads a body."""
    secret = secrets.bearer_secret(authorization)
    if secret is not None and isinstance(refusal, REFUSALS):
        audited_credentials.note_refused_credential(secret, refusal.code, now)


def _caller_of_key(secret: str, now: datetime) -> Caller:
    kind = issued_kind(secret)
    if kind == secrets.Kind.GATEWAY:
        raise WrongKindOfCredential("This is a gateway's token: use an omx_live_ or omx_admin_ key here.")
    if kind == secrets.Kind.OPERATOR:
        raise WrongKindOfCredential("This is an operator's key: it works only at /api/v1/operator/.")
    key, expires_at = _stored_key(secret)
    if key.revoked_at is not None:
        raise Unauthenticated("This key was revoked: use another one.")
    if key.has_expired(now):
        raise Unauthenticated("This key has expired: use another one, or move its expiry.")
    _check_grace(expires_at, now)
    if key.frozen_at is not None:
        raise KeyFrozen("This key is frozen. It works again when an owner or admin of its workspace unfreezes it.")
    if key.kind != APIKey.Kind.ADMIN and key.workspace.suspended_at is not None:
        raise WorkspaceSuspended(
            f"This workspace is suspended. {key.workspace.suspended_because} Its keys work again when that is settled."
        )
    note_use(key, now)
    role = Membership.Role.ADMIN if key.kind == APIKey.Kind.ADMIN else KEY_ROLE
    return Caller(key.workspace, key, None, str(role))


def authenticate_gateway(authorization: str | None, now: datetime) -> Gateway:
    """The gateway of an `Authorization` header. Raises Unauthenticated, WrongKindOfCredential."""
    secret = secrets.bearer_secret(authorization)
    if secret is None:
        raise Unauthenticated("No credential: send the gateway's token as Authorization: Bearer omx_gateway_...")
    with refusals_recorded(secret, now):
        return _gateway_of(secret, now)


def _gateway_of(secret: str, now: datetime) -> Gateway:
    if issued_kind(secret) != secrets.Kind.GATEWAY:
        raise WrongKindOfCredential("This is a workspace's key: use the gateway's omx_gateway_ token here.")
    gateway, expires_at = _stored_gateway(secret)
    if gateway.revoked_at is not None:
        raise Unauthenticated("This gateway was revoked: use another one's token.")
    _check_grace(expires_at, now)
    note_use(gateway, now)
    return gateway


def issued_kind(secret: str) -> secrets.Kind:
    kind = secrets.secret_kind(secret)
    if kind is None:
        raise Unauthenticated("This is not a key or token of ours: its form or checksum is wrong. Copy it again, all of it.")
    return kind


def _stored_key(secret: str) -> tuple[APIKey, datetime | None]:
    """The key with its workspace, and when this secret of it runs out. In SQL, because every request begins here."""
    with connection.cursor() as cursor:
        cursor.execute(KEY, [secrets.sha256(secret)])
        row = cursor.fetchone()
    if row is None:  # a gateway has no secret of a key's kind
        raise Unauthenticated("This key or token is unknown: it may belong to another installation.")
    key = APIKey.from_db(DEFAULT_DB_ALIAS, KEY_FIELDS, row[: len(KEY_FIELDS)])
    key.workspace = Workspace.from_db(DEFAULT_DB_ALIAS, WORKSPACE_FIELDS, row[len(KEY_FIELDS) : -1])
    return key, row[-1]


def _stored_gateway(secret: str) -> tuple[Gateway, datetime | None]:
    """The gateway, and when this secret of its runs out. In SQL, because every batch begins here."""
    with connection.cursor() as cursor:
        cursor.execute(GATEWAY, [secrets.sha256(secret)])
        row = cursor.fetchone()
    if row is None:
        raise Unauthenticated("This token is unknown: it may belong to another installation.")
    *columns, expires_at, bound_to = row
    gateway = Gateway(**dict(zip(GATEWAY_COLUMNS, columns, strict=True)))
    gateway.bound_to = frozenset(bound_to)
    return gateway, expires_at


def _check_grace(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise Unauthenticated("This secret was replaced and its grace is over: use the one from the rotation.")


def note_use(owner: APIKey | Gateway | OperatorKey, now: datetime) -> None:
    """At most one write a minute, however many requests and processes."""
    stale = now - LAST_USED_GRAIN
    if owner.last_used_at is not None and owner.last_used_at > stale:
        return
    rows: type[Model] = type(owner)
    unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lte=stale)
    rows._default_manager.filter(unnoted, pk=owner.pk).update(last_used_at=now)
