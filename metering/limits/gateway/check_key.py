"""What a gateway needs to know of a key without holding anything: whether it works, and what it may be used for."""

from datetime import datetime
from typing import Any

from django.conf import settings

from metering.limits.gateway.answers import REASONS
from metering.limits.gateway.requests import CheckKey
from metering.limits.models import LimitAccount
from workspaces.keys.secrets import secret_kind, sha256
from workspaces.models import APIKey, Credential, Gateway, Workspace


def check_key(asked: CheckKey, gateway: Gateway, now: datetime) -> dict[str, Any]:
    """The answer about a key; of one that works `allowed` is true and `reason` null."""
    credential = _credential(asked.key)
    key = None if credential is None else credential.api_key
    if credential is None or key is None:
        return _refused("unknown_key" if credential is None else "wrong_kind_of_key")
    workspace = key.workspace
    if gateway.bound_to and workspace.pk not in gateway.bound_to:
        return _refused("unknown_key")
    reason = _reason(key, credential, now)
    account = LimitAccount.objects.filter(pk=workspace.pk).first()
    # Of a secret that was rotated, the end of its grace.
    expires_at = min((at for at in (key.expires_at, credential.expires_at) if at is not None), default=None)
    return _answer(reason) | {
        "key_id": key.public_id,
        "workspace_id": workspace.public_id,
        "status": key.status(now) if reason != "workspace_suspended" else "suspended",
        "name": key.name,
        "models": models_of(key),
        "billing": "prepaid" if account is not None and account.balance is not None else "postpaid",
        "expires_at": None if expires_at is None else expires_at.isoformat(),
    }


def models_of(key: APIKey) -> list[str] | None:
    """What it may ask for, its workspace's bounds included; None: every model."""
    own, workspaces = key.allowed_models, key.workspace.allowed_models
    if own is None or workspaces is None:
        return own if workspaces is None else workspaces
    return [model for model in own if model in workspaces]


def _credential(secret: str) -> Credential | None:
    if secret_kind(secret) is None:
        return None
    found = Credential.objects.select_related("api_key__workspace").filter(sha256=sha256(secret))
    return found.first()


def _reason(key: APIKey, credential: Credential, now: datetime) -> str | None:
    if key.kind == APIKey.Kind.ADMIN:
        return "wrong_kind_of_key"
    if key.revoked_at is not None:
        return "key_revoked"
    if key.frozen_at is not None:
        return "key_frozen"
    if key.has_expired(now) or credential.has_expired(now):
        return "key_expired"
    if Workspace.Suspension.PAST_DUE in key.workspace.suspensions:
        return "workspace_suspended"
    if Workspace.Suspension.NO_CREDIT in key.workspace.suspensions:
        return "balance_used_up"
    return None


def _refused(reason: str) -> dict[str, Any]:
    nothing = ("key_id", "workspace_id", "status", "name", "models", "billing", "expires_at")
    return _answer(reason) | dict.fromkeys(nothing)


def _answer(reason: str | None) -> dict[str, Any]:
    said = {"allowed": reason is None, "reason": reason, "cache_seconds": settings.KEY_CACHE_SECONDS}
    if reason is None:
        return said | {"message": None, "error": None}
    relayed = REASONS[reason]
    body = {"error": {"message": relayed.message, "type": relayed.type, "code": reason, "param": None}}
    return said | {"message": relayed.message, "error": {"status": relayed.status, "body": body}}
