"""Who belongs to a workspace and as what. Every change holds the workspace's row, so that two cannot both take the last
owner away."""

from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import transaction

from workspaces import audit
from workspaces.access.authentication import KEY_MANAGERS
from workspaces.access.still_allowed import OWNERS, check_still_allowed
from workspaces.errors import AlreadyAMember, LastOwner, NotAMember
from workspaces.keys.issue import revoke_chosen
from workspaces.keys.makers import BY_DEFAULT, KeyChoice, keys_of_person
from workspaces.locks import lock_workspace
from workspaces.members.invitations.invite import withdraw_all_of
from workspaces.models import Membership, User, Workspace
from workspaces.names import clean_email, clean_role


@transaction.atomic
def add_member(workspace: Workspace, email: str, role: str, actor: str, now: datetime) -> Membership:
    """Let this address in without asking. Without an account it gets one that no password opens until it is reset by mail.

    For commands: people are invited (`workspaces.members.invitations`).
    Adding a member again as what they are changes nothing. Raises InvalidEmail, InvalidRole, AlreadyAMember.
    """
    email, role = clean_email(email), clean_role(role)
    lock_workspace(workspace.pk)
    user, _ = User.objects.get_or_create(email=email, defaults={"password": make_password(None), "date_joined": now})
    membership, added = Membership.objects.get_or_create(
        workspace=workspace, user=user, defaults={"role": role, "created_at": now}
    )
    if added:
        audit.record(actor, "member.added", email, workspace, now=now, role=role)
    elif membership.role != role:
        raise AlreadyAMember(f"{email} is a member already, as {membership.role}: change the role instead.")
    return membership


@transaction.atomic
def change_role(
    membership: Membership,
    role: str,
    actor: str,
    now: datetime,
    keys: KeyChoice = BY_DEFAULT,
    user: User | None = None,
) -> None:
    """Who may manage keys no more loses the admin keys that they know, and of the others what `keys` says.

    `user` is the person who asks for it; None for an operator or a command. Raises InvalidRole, NotAMember, NotAllowed, and
    LastOwner when nobody else owns the workspace.
    """
    role = clean_role(role)
    lock_workspace(membership.workspace_id)
    check_still_allowed(membership.workspace, user, roles=OWNERS)
    held = _member(membership)
    if held is None:
        raise NotAMember("This person is not a member any more: add them again.")
    if held.role == role:
        return
    _keep_an_owner(held)
    Membership.objects.filter(pk=held.pk).update(role=role)
    detail: dict[str, Any] = {"before": held.role, "after": role}
    if loses_keys(held, role):
        detail |= _revoke_keys(held, keys, actor, now)
    audit.record(actor, "member.role_changed", held.user.email, held.workspace, now=now, **detail)
    if held.role == Membership.Role.OWNER:
        withdraw_all_of(held.user, held.workspace, actor, now)


@transaction.atomic
def remove_member(
    membership: Membership, actor: str, now: datetime, keys: KeyChoice = BY_DEFAULT, user: User | None = None
) -> bool:
    """The person keeps their account and their other workspaces. False when they were gone already.

    Admin keys that they know are revoked, and of the others what `keys` says; their open invitations are withdrawn.
    `user` is the person who asks for it; None for an operator or a command. Raises NotAllowed, and LastOwner when nobody
    else owns the workspace.
    """
    lock_workspace(membership.workspace_id)
    check_still_allowed(membership.workspace, user, roles=OWNERS)
    held = _member(membership)
    if held is None:
        return False
    _keep_an_owner(held)
    Membership.objects.filter(pk=held.pk).delete()
    detail = _revoke_keys(held, keys, actor, now)
    audit.record(actor, "member.removed", held.user.email, held.workspace, now=now, role=held.role, **detail)
    withdraw_all_of(held.user, held.workspace, actor, now)
    return True


def loses_keys(membership: Membership, role: str) -> bool:
    """Whether this role would end the member's say over the workspace's keys."""
    return membership.role in KEY_MANAGERS and role not in KEY_MANAGERS


def _revoke_keys(leaving: Membership, choice: KeyChoice, actor: str, now: datetime) -> dict[str, list[str]]:
    return revoke_chosen(keys_of_person(leaving.workspace, leaving.user, now), choice, actor, now)


def _member(membership: Membership) -> Membership | None:
    return Membership.objects.select_related("user", "workspace").filter(pk=membership.pk).first()


def _keep_an_owner(leaving: Membership) -> None:
    if leaving.role != Membership.Role.OWNER:
        return
    others = Membership.objects.filter(workspace=leaving.workspace, role=Membership.Role.OWNER).exclude(pk=leaving.pk)
    if not others.exists():
        raise LastOwner("This is the workspace's last owner: make another person an owner first.")
