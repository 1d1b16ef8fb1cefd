"""Workspaces, keys and gateways: create, rename, expire, rotate, revoke. An act and its audit entry are written as one.

Every act assumes that it runs concurrently with itself: it locks the key's or gateway's row and decides by what it
reads under that lock. An act that would change nothing does nothing and leaves no entry. Lock order: workspace, key or
gateway, credential. The locks are NO KEY locks, so that rows which point here can still be inserted meanwhile.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from workspaces import audit
from workspaces.access.still_allowed import check_still_allowed
from workspaces.closed import refuse_closed
from workspaces.errors import GatewayRevoked, InvalidExpiry, KeyExpired, KeyRevoked, KindNotForWorkspace
from workspaces.keys import secrets
from workspaces.keys.allowed_models import Models, check_kind_asks_models, clean_models, models_text
from workspaces.keys.credentials import check_grace, give_secret, replace_secret, rotation_detail
from workspaces.keys.limits import (
    USUAL,
    ChosenExpiry,
    check_kind_has_scopes,
    check_not_stronger,
    expiry_of_new_key,
    in_order,
    scopes_of_new_key,
)
from workspaces.keys.makers import KeyChoice
from workspaces.models import APIKey, Gateway, User, Workspace
from workspaces.names import clean_email, clean_name


@transaction.atomic
def create_workspace(name: str, email: str, actor: str, now: datetime, sandbox: bool = False) -> Workspace:
    """A new workspace without keys or members. `email` is where invoices go; "" for nowhere yet."""
    workspace = Workspace.objects.create(
        name=clean_name(name), email=clean_email(email) if email else "", sandbox=sandbox, created_at=now
    )
    audit.record(
        actor,
        "workspace.created",
        workspace.public_id,
        workspace,
        now=now,
        name=workspace.name,
        email=workspace.email,
        sandbox=sandbox,
    )
    return workspace


@transaction.atomic
def create_key(
    workspace: Workspace,
    kind: str,
    name: str,
    actor: str,
    now: datetime,
    user: User | None = None,
    expires_at: ChosenExpiry = USUAL,
    scopes: Iterable[str] | None = None,
    maker: APIKey | None = None,
    models: Iterable[str] | None = None,
) -> tuple[APIKey, str]:
    """A new key and its secret, which is not kept and cannot be shown again.

    Who made it is `user`, a person, or `maker`, an admin key. `scopes` are an admin key's, by default all that the maker
    has; `models` are what it may ask for, by default every one. Raises KindNotForWorkspace, InvalidName, InvalidExpiry,
    InvalidParameter, ScopesNotForKind, KeyIsLimited, WorkspaceClosed, and what `check_still_allowed` raises.
    """
    _check_kind(workspace, APIKey.Kind(kind))
    allowed = clean_models(models)
    check_kind_asks_models(kind, allowed)
    check_still_allowed(workspace, user, maker)
    refuse_closed(workspace)
    expires_at, granted = expiry_of_new_key(kind, expires_at, maker, now), scopes_of_new_key(kind, scopes, maker)
    _check_expiry(expires_at, now)
    check_not_stronger(maker, kind, granted, expires_at)
    key = APIKey.objects.create(
        workspace=workspace,
        kind=kind,
        name=clean_name(name),
        created_at=now,
        created_by=user,
        created_by_key=maker,
        expires_at=expires_at,
        scopes=granted,
        allowed_models=allowed,
    )
    secret = give_secret(kind, now, api_key=key, to=maker or user)
    audit.record(
        actor,
        "key.created",
        key.public_id,
        workspace,
        now=now,
        name=key.name,
        kind=str(kind),
        scopes=granted,
        **({} if allowed is None else {"models": models_text(allowed)}),
        expires_at=_text(expires_at),
        last_four=secrets.last_four(secret),
    )
    return key, secret


def usual_kind(workspace: Workspace) -> str:
    """The kind of key that sends usage in this workspace."""
    return str(APIKey.Kind.TEST if workspace.sandbox else APIKey.Kind.LIVE)


@transaction.atomic
def change_key(
    key: APIKey,
    changes: Mapping[str, Any],
    actor: str,
    now: datetime,
    user: User | None = None,
    maker: APIKey | None = None,
) -> None:
    """Apply `name`, `expires_at`, `scopes` and `models`, whichever are among the changes: all of them or none.

    Who asks for it is `user`, a person, or `maker`, an admin key. Raises what each change raises, KeyIsLimited, and what
    `check_still_allowed` raises.
    """
    check_still_allowed(key.workspace, user, maker)
    held = _locked_key(key)
    check_not_stronger(maker, held.kind, held.scopes, held.expires_at)
    scopes, expires_at = changes.get("scopes", held.scopes), changes.get("expires_at", held.expires_at)
    check_not_stronger(maker, held.kind, scopes, expires_at)
    if "scopes" in changes:
        limit_key(key, changes["scopes"], actor, now)
    if "models" in changes:
        limit_key_to_models(key, changes["models"], actor, now)
    if "name" in changes:
        rename_key(key, changes["name"], actor, now)
    if "expires_at" in changes:
        expire_key(key, changes["expires_at"], actor, now)


@transaction.atomic
def rename_key(key: APIKey, name: str, actor: str, now: datetime) -> None:
    """Raises InvalidName. A revoked key may be renamed: its usage is still shown."""
    name = clean_name(name)
    held = _locked_key(key)
    if held.name == name:
        return
    APIKey.objects.filter(pk=key.pk).update(name=name)
    audit.record(actor, "key.renamed", key.public_id, held.workspace, now=now, before=held.name, after=name)


@transaction.atomic
def expire_key(key: APIKey, expires_at: datetime | None, actor: str, now: datetime) -> None:
    """Set when the key stops being good, or None for never; an expired key is good again with a later time.

    Raises KeyRevoked, and InvalidExpiry for a time that has passed.
    """
    held = _locked_key(key)
    if held.expires_at == expires_at:
        return
    if held.revoked_at is not None:
        raise KeyRevoked("This key is revoked and stays so: create a new one.")
    _check_expiry(expires_at, now)
    APIKey.objects.filter(pk=key.pk).update(expires_at=expires_at)
    before, after = _text(held.expires_at), _text(expires_at)
    audit.record(actor, "key.expiry_changed", key.public_id, held.workspace, now=now, before=before, after=after)


@transaction.atomic
def limit_key(key: APIKey, scopes: Iterable[str], actor: str, now: datetime) -> None:
    """Set what an admin key may do beside reading: nothing when `scopes` is empty. Raises ScopesNotForKind, KeyRevoked."""
    held, granted = _locked_key(key), in_order(scopes)
    check_kind_has_scopes(held.kind, granted)
    if in_order(held.scopes) == granted:
        return
    if held.revoked_at is not None:
        raise KeyRevoked("This key is revoked and stays so: create a new one.")
    APIKey.objects.filter(pk=key.pk).update(scopes=granted)
    before = in_order(held.scopes)
    audit.record(actor, "key.scopes_changed", key.public_id, held.workspace, now=now, before=before, after=granted)


@transaction.atomic
def limit_key_to_models(key: APIKey, models: Models, actor: str, now: datetime) -> None:
    """Set which models it may ask for; None is every one. Gateways hear of it at once. Raises InvalidParameter, KeyRevoked."""
    held, allowed = _locked_key(key), clean_models(models)
    check_kind_asks_models(held.kind, allowed)
    if held.allowed_models == allowed:
        return
    if held.revoked_at is not None:
        raise KeyRevoked("This key is revoked and stays so: create a new one.")
    APIKey.objects.filter(pk=key.pk).update(allowed_models=allowed)
    before, after = models_text(held.allowed_models), models_text(allowed)
    audit.record(actor, "key.models_changed", key.public_id, held.workspace, now=now, before=before, after=after)


@transaction.atomic
def rotate_key(
    key: APIKey, grace: timedelta, actor: str, now: datetime, user: User | None = None, maker: APIKey | None = None
) -> str:
    """A new secret on the same key; the older ones are good until `now + grace`, or their own end if that is sooner.

    It is shown to `user`, a person, or to `maker`, an admin key. Of two rotations at once, the later one's secret stays.
    Raises KeyRevoked, KeyExpired, InvalidGrace, KeyIsLimited, WorkspaceClosed, and what `check_still_allowed` raises.
    """
    check_grace(grace)
    check_still_allowed(key.workspace, user, maker)
    refuse_closed(key.workspace)
    held = _locked_key(key)
    check_not_stronger(maker, held.kind, held.scopes, held.expires_at)
    if held.revoked_at is not None:
        raise KeyRevoked("This key is revoked and cannot be rotated: create a new one.")
    if held.has_expired(now):
        raise KeyExpired("This key has expired, so a new secret would not work either: move its expiry first.")
    secret = replace_secret(held.credentials.all(), held.kind, grace, now, api_key=held, to=maker or user)
    audit.record(actor, "key.rotated", key.public_id, held.workspace, now=now, **rotation_detail(secret, grace))
    return secret


@transaction.atomic
def revoke_key(key: APIKey, actor: str, now: datetime, user: User | None = None, maker: APIKey | None = None) -> bool:
    """Every secret of the key stops working now, for good. The row stays: usage of the past may still arrive by its id.

    False when it was revoked before, which keeps its time. Who asks for it is `user`, a person, or `maker`, an admin key.
    Raises what `check_still_allowed` raises.
    """
    check_still_allowed(key.workspace, user, maker)
    moved = APIKey.objects.unrevoked().filter(pk=key.pk).update(revoked_at=now)
    if moved:
        audit.record(actor, "key.revoked", key.public_id, key.workspace, now=now)
    return bool(moved)


def revoke_chosen(keys: Iterable[APIKey], choice: KeyChoice, actor: str, now: datetime) -> dict[str, list[str]]:
    """Of the keys of a person who leaves: the ids of those revoked and of those that keep working, for the trail."""
    revoked, kept = [], []
    for key in keys:
        if choice.revokes(key):
            revoke_key(key, actor, now)
            revoked.append(key.public_id)
        else:
            kept.append(key.public_id)
    return {"keys_revoked": revoked, "keys_kept": kept}


@transaction.atomic
def create_gateway(
    name: str, actor: str, now: datetime, workspaces: Iterable[Workspace] = (), may_correct_all: bool = False
) -> tuple[Gateway, str]:
    """A new gateway and its token, which is not kept and cannot be shown again. Raises InvalidName."""
    gateway = Gateway.objects.create(name=clean_name(name), created_at=now, may_correct_all=may_correct_all)
    gateway.workspaces.set(workspaces)
    token = give_secret(secrets.Kind.GATEWAY, now, gateway=gateway)
    last_four = secrets.last_four(token)
    reach = reach_of(gateway)
    audit.record(actor, "gateway.created", gateway.public_id, now=now, name=gateway.name, last_four=last_four, **reach)
    return gateway, token


@transaction.atomic
def change_reach(gateway: Gateway, workspaces: Iterable[Workspace], may_correct_all: bool, actor: str, now: datetime) -> None:
    """Whose usage the gateway may send, every workspace's when there are none, and whether it may correct what others sent.

    What it sent before is not checked again; a correction that still waits for its event is checked when it is applied.
    """
    locked = _locked_gateway(gateway)
    before = reach_of(locked)
    Gateway.objects.filter(pk=gateway.pk).update(may_correct_all=may_correct_all)
    locked.workspaces.set(workspaces)
    locked.refresh_from_db()
    if (after := reach_of(locked)) != before:
        audit.record(actor, "gateway.reach_changed", gateway.public_id, now=now, before=before, after=after)


def reach_of(gateway: Gateway) -> dict[str, Any]:
    """How far the gateway's word goes, as the audit trail says it."""
    bound = sorted(gateway.workspaces.values_list("public_id", flat=True))
    return {"workspaces": bound, "may_correct_all": gateway.may_correct_all}


@transaction.atomic
def rename_gateway(gateway: Gateway, name: str, actor: str, now: datetime) -> None:
    """Raises InvalidName."""
    name = clean_name(name)
    held = _locked_gateway(gateway)
    if held.name == name:
        return
    Gateway.objects.filter(pk=gateway.pk).update(name=name)
    audit.record(actor, "gateway.renamed", gateway.public_id, now=now, before=held.name, after=name)


@transaction.atomic
def rotate_gateway(gateway: Gateway, grace: timedelta, actor: str, now: datetime) -> str:
    """As `rotate_key`. Raises GatewayRevoked, InvalidGrace."""
    check_grace(grace)
    held = _locked_gateway(gateway)
    if held.revoked_at is not None:
        raise GatewayRevoked("This gateway is revoked and cannot be rotated: create a new one.")
    token = replace_secret(held.credentials.all(), secrets.Kind.GATEWAY, grace, now, gateway=held)
    audit.record(actor, "gateway.rotated", gateway.public_id, now=now, **rotation_detail(token, grace))
    return token


@transaction.atomic
def revoke_gateway(gateway: Gateway, actor: str, now: datetime) -> bool:
    """As `revoke_key`."""
    moved = Gateway.objects.filter(pk=gateway.pk, revoked_at__isnull=True).update(revoked_at=now)
    if moved:
        audit.record(actor, "gateway.revoked", gateway.public_id, now=now)
    return bool(moved)


def _locked_key(key: APIKey) -> APIKey:
    return APIKey.objects.select_related("workspace").select_for_update(of=("self",), no_key=True).get(pk=key.pk)


def _locked_gateway(gateway: Gateway) -> Gateway:
    return Gateway.objects.select_for_update(no_key=True).get(pk=gateway.pk)


def _check_kind(workspace: Workspace, kind: APIKey.Kind) -> None:
    if kind == APIKey.Kind.TEST and not workspace.sandbox:
        raise KindNotForWorkspace("Test keys are for sandbox workspaces: make a live key here.", param="kind")
    if kind == APIKey.Kind.LIVE and workspace.sandbox:
        raise KindNotForWorkspace("This workspace is a sandbox: make a test key here.", param="kind")


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise InvalidExpiry("The expiry has passed already: choose a later time, or revoke the key.", param="expires_at")


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
