"""Accept or decline an invitation. Whether it may be accepted is decided under the workspace's lock, when it is."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import transaction

from workspaces import audit
from workspaces.audit.origin import current_actor
from workspaces.audit.words import STAFF
from workspaces.errors import AccountExists, InvitationForAnother, InvitationOver, NoSuchInvitation
from workspaces.keys.secrets import sha256
from workspaces.locks import lock_address, lock_workspace
from workspaces.models import Invitation, Membership, User

ENDED = {
    Invitation.State.ACCEPTED: "This invitation was accepted already.",
    Invitation.State.DECLINED: "This invitation was declined.",
    Invitation.State.WITHDRAWN: "This invitation was withdrawn: a later mail may have another link.",
}


def invitation_of(secret: str) -> Invitation:
    """By the secret of its link. Raises NoSuchInvitation."""
    found = Invitation.objects.select_related("workspace", "invited_by").filter(sha256=sha256(secret)).first()
    if found is None:
        raise NoSuchInvitation("This invitation link is not valid: open the whole link from the mail again.")
    return found


def check_open(invitation: Invitation, now: datetime) -> None:
    """Raises InvitationOver when it was answered or withdrawn, is too old, or its sender may no longer invite."""
    if invitation.state != Invitation.State.PENDING:
        raise InvitationOver(ENDED[Invitation.State(invitation.state)])
    if invitation.expires_at <= now:
        raise InvitationOver("This invitation has expired: ask for another one.")
    if not _may_still_invite(invitation):
        raise InvitationOver("The person who sent this invitation may no longer invite: ask an owner of the workspace.")


@transaction.atomic
def accept_invitation(invitation: Invitation, user: User, now: datetime) -> Membership:
    """The person belongs to the workspace from now on; a role that they have there already stays.

    Raises InvitationOver, and InvitationForAnother when their address is not the invited one.
    """
    held = _locked(invitation, now)
    if user.email.lower() != held.email:
        raise InvitationForAnother(f"This invitation is for {held.email}: sign in with that address.")
    membership, added = Membership.objects.get_or_create(
        workspace=held.workspace, user=user, defaults={"role": held.role, "created_at": now}
    )
    _answer(held, Invitation.State.ACCEPTED, user.email, now)
    if added:
        by = STAFF if held.by_operator or held.invited_by is None else held.invited_by.email
        audit.record(user.email, "member.added", user.email, held.workspace, now=now, role=held.role, invited_by=by)
    return membership


@transaction.atomic
def join(invitation: Invitation, password: str, now: datetime) -> User:
    """A new account for the invited address, which its mail has shown to be theirs, and the membership: both or neither.

    Raises InvitationOver, and AccountExists when there is one by now.
    """
    held = _locked(invitation, now)
    if User.objects.filter(email=held.email).exists():
        raise AccountExists("There is an account with this address: sign in with it to accept.")
    user = User.objects.create_user(held.email, password, date_joined=now)
    EmailAddress.objects.create(user=user, email=held.email, verified=True, primary=True)
    accept_invitation(held, user, now)
    return user


@transaction.atomic
def decline(invitation: Invitation, now: datetime) -> None:
    """By everybody who has the link, so the actor is the person who is signed in, or nobody known: not the invited address,
    which the link alone does not prove. Raises InvitationOver.
    """
    _answer(_locked(invitation, now), Invitation.State.DECLINED, current_actor(), now)


def _locked(invitation: Invitation, now: datetime) -> Invitation:
    lock_workspace(invitation.workspace_id)
    lock_address(invitation.email)
    held = Invitation.objects.select_related("workspace", "invited_by").get(pk=invitation.pk)
    check_open(held, now)
    return held


def _answer(held: Invitation, state: Invitation.State, actor: str, now: datetime) -> None:
    Invitation.objects.filter(pk=held.pk).update(state=state, answered_at=now)
    detail = {"email": held.email, "role": held.role}
    audit.record(actor, f"invitation.{state.value}", held.public_id, held.workspace, now=now, **detail)


def _may_still_invite(invitation: Invitation) -> bool:
    inviter = invitation.invited_by
    if inviter is None:  # a command did
        return True
    if not inviter.is_active:
        return False
    if invitation.by_operator:
        return inviter.is_staff
    owners = Membership.objects.filter(workspace=invitation.workspace, role=Membership.Role.OWNER)
    return owners.filter(user=inviter).exists()
