"""Who belongs to a workspace and as what. Every change holds the workspace's row, so that two cannot both take the last
owner away."""

from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.db import transaction

from workspaces import audit
from workspaces.errors import AlreadyAMember, InvalidRole, LastOwner, NotAMember
from workspaces.models import Membership, User, Workspace
from workspaces.names import clean_email


@transaction.atomic
def add_member(workspace: Workspace, email: str, role: str, actor: str, now: datetime) -> Membership:
    """Let this address in. Without an account it gets one that no password opens, until the person resets it by mail.

    Adding a member again as what they are changes nothing. Raises InvalidEmail, InvalidRole, AlreadyAMember.
    """
    email, role = clean_email(email), _known(role)
    _hold(workspace)
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
def change_role(membership: Membership, role: str, actor: str, now: datetime) -> None:
    """Raises InvalidRole, NotAMember, and LastOwner when nobody else owns the workspace."""
    role = _known(role)
    _hold(membership.workspace)
    held = _member(membership)
    if held is None:
        raise NotAMember("This person is not a member any more: add them again.")
    if held.role == role:
        return
    _keep_an_owner(held)
    Membership.objects.filter(pk=held.pk).update(role=role)
    audit.record(actor, "member.role_changed", held.user.email, held.workspace, now=now, before=held.role, after=role)


@transaction.atomic
def remove_member(membership: Membership, actor: str, now: datetime) -> bool:
    """The person keeps their account and their other workspaces. False when they were gone already.

    Raises LastOwner when nobody else owns the workspace.
    """
    _hold(membership.workspace)
    held = _member(membership)
    if held is None:
        return False
    _keep_an_owner(held)
    Membership.objects.filter(pk=held.pk).delete()
    audit.record(actor, "member.removed", held.user.email, held.workspace, now=now, role=held.role)
    return True


def _hold(workspace: Workspace) -> None:
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)


def _member(membership: Membership) -> Membership | None:
    return Membership.objects.select_related("user", "workspace").filter(pk=membership.pk).first()


def _known(role: str) -> str:
    if role not in Membership.Role.values:
        raise InvalidRole(f"{role!r} is not a role: choose one of {', '.join(Membership.Role.values)}.", param="role")
    return str(role)


def _keep_an_owner(leaving: Membership) -> None:
    if leaving.role != Membership.Role.OWNER:
        return
    others = Membership.objects.filter(workspace=leaving.workspace, role=Membership.Role.OWNER).exclude(pk=leaving.pk)
    if not others.exists():
        raise LastOwner("This is the workspace's last owner: make somebody else an owner first.")
