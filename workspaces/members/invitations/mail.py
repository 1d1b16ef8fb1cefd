"""The mail of an invitation. It reads the same whether the address has an account or not."""

from allauth.account.adapter import get_adapter
from django.conf import settings

from workspaces.mails.outgoing import NoMailServer, sends_mail
from workspaces.mails.plain_text import address_in_words, plain
from workspaces.models import Invitation
from workspaces.signin.accounts import public_address


def link_of(secret: str) -> str:
    return public_address("pages:invitation", secret)


def deliver(invitation: Invitation, secret: str | None) -> None:
    """Sends the mail with the link; without a secret it is on its way already. Raises OSError when it cannot be sent."""
    if secret is None:
        return
    try:
        _send(invitation, secret)
    except OSError:
        Invitation.objects.filter(pk=invitation.pk).update(mail_failed=True)
        raise


def _send(invitation: Invitation, secret: str) -> None:
    if not sends_mail():
        raise NoMailServer
    inviter = invitation.invited_by
    context = {
        "workspace_name": plain(invitation.workspace.name),
        "role": invitation.get_role_display(),
        "invited_by": "" if invitation.by_operator or inviter is None else address_in_words(inviter.email),
        "invitation_url": link_of(secret),
        "invitation_days": settings.INVITATION_DAYS,
    }
    get_adapter().send_mail("account/email/invitation", invitation.email, context)
