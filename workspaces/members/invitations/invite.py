"""Invite a person to a workspace, send the invitation again, withdraw it.

Whether the address has an account is looked at by none of these, so that no answer, mail or time tells it. How many
invitations are sent is bounded per workspace and per address; both are counted in the database under locks, so that all
processes count together.
"""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from workspaces import audit
from workspaces.access.still_allowed import OWNERS, check_still_allowed
from workspaces.errors import AlreadyAMember, InvitationOver, TooManyInvitations
from workspaces.keys.secrets import sha256
from workspaces.locks import lock_address, lock_workspace
from workspaces.models import Invitation, Membership, User, Workspace
from workspaces.names import clean_email, clean_role

HOUR = timedelta(hours=1)
# Asked twice within this is asked once: a double click sends one mail.
ONCE = timedelta(minutes=1)


@transaction.atomic
def invite(
    workspace: Workspace, email: str, role: str, inviter: User | None, actor: str, now: datetime, by_operator: bool = False
) -> tuple[Invitation, str | None]:
    """The invitation and the secret of its link, which is not kept; None instead when the same was asked a moment ago.

    `inviter` is a person, whose right to invite is looked at again when it is accepted; None for a command. An invitation
    that is still open for the address is withdrawn. Raises InvalidEmail, InvalidRole, NotAllowed, AlreadyAMember,
    TooManyInvitations.
    """
    email, role = clean_email(email), clean_role(role)
    lock_workspace(workspace.pk)
    check_still_allowed(workspace, inviter, roles=OWNERS)
    lock_address(email)
    if Membership.objects.filter(workspace=workspace, user__email=email).exists():
        raise AlreadyAMember(f"{email} is a member already.")
    open_one = workspace.invitations.filter(email=email, state=Invitation.State.PENDING).first()
    if open_one is not None and _is_same(open_one, role, inviter, now):
        return open_one, None
    _check_bounds(workspace, email, now)
    if open_one is not None:
        _move(open_one, Invitation.State.WITHDRAWN, actor, now, because="another one was sent")
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        workspace=workspace,
        email=email,
        role=role,
        sha256=sha256(secret),
        invited_by=inviter,
        by_operator=by_operator,
        created_at=now,
        expires_at=now + timedelta(days=settings.INVITATION_DAYS),
    )
    audit.record(actor, "invitation.sent", invitation.public_id, workspace, now=now, email=email, role=role)
    return invitation, secret


def resend_invitation(
    invitation: Invitation, inviter: User, actor: str, now: datetime, by_operator: bool = False
) -> tuple[Invitation, str | None]:
    """A new invitation in its place, whose link is the only one that works. Raises InvitationOver and what `invite` raises."""
    if invitation.state != Invitation.State.PENDING:
        raise InvitationOver("This invitation was answered or withdrawn: invite the person again.")
    return invite(invitation.workspace, invitation.email, invitation.role, inviter, actor, now, by_operator)


@transaction.atomic
def withdraw_invitation(invitation: Invitation, actor: str, now: datetime, user: User | None = None) -> bool:
    """Its link works no more. False when it was withdrawn before.

    `user` is the person who asks for it; None for an operator or a command. Raises NotAllowed, and InvitationOver when it
    was answered.
    """
    lock_workspace(invitation.workspace_id)
    check_still_allowed(invitation.workspace, user, roles=OWNERS)
    held = Invitation.objects.select_related("workspace").get(pk=invitation.pk)
    if held.state == Invitation.State.WITHDRAWN:
        return False
    if held.state != Invitation.State.PENDING:
        raise InvitationOver(f"This invitation was {held.state} already.")
    _move(held, Invitation.State.WITHDRAWN, actor, now)
    return True


def withdraw_all_of(inviter: User, workspace: Workspace, actor: str, now: datetime) -> None:
    """Of a person who may no longer invite. The caller holds the workspace."""
    open_ones = workspace.invitations.filter(invited_by=inviter, by_operator=False, state=Invitation.State.PENDING)
    for each in open_ones.select_related("workspace"):
        _move(each, Invitation.State.WITHDRAWN, actor, now, because=f"{inviter.email} may no longer invite")


def _move(invitation: Invitation, state: str, actor: str, now: datetime, **detail: str) -> None:
    Invitation.objects.filter(pk=invitation.pk, state=Invitation.State.PENDING).update(state=state, answered_at=now)
    detail |= {"email": invitation.email}
    audit.record(actor, f"invitation.{state}", invitation.public_id, invitation.workspace, now=now, **detail)


def _is_same(invitation: Invitation, role: str, inviter: User | None, now: datetime) -> bool:
    if inviter is None:  # a command prints the link, each time
        return False
    recent = invitation.created_at > now - ONCE and not invitation.mail_failed
    return recent and (invitation.role, invitation.invited_by) == (role, inviter)


def _check_bounds(workspace: Workspace, email: str, now: datetime) -> None:
    recent = Invitation.objects.filter(created_at__gt=now - HOUR)
    _check_bound(recent.filter(workspace=workspace), settings.INVITATIONS_PER_HOUR, "This workspace has", now)
    _check_bound(recent.filter(email=email), settings.INVITATIONS_PER_ADDRESS, "This address was", now)


def _check_bound(recent: QuerySet[Invitation], most: int, whose: str, now: datetime) -> None:
    times = list(recent.order_by("-created_at").values_list("created_at", flat=True)[:most])
    if len(times) < most:
        return
    wait = (times[-1] + HOUR - now) if times else HOUR
    raise TooManyInvitations(
        f"{whose} sent {most} invitations within an hour: try again in {int(wait.total_seconds()) // 60 + 1} minutes.",
        param="email",
        retry_after=int(wait.total_seconds()) + 1,
    )
