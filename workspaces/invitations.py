"""The mail that tells somebody they belong to a workspace now, and how to get in."""

from allauth.account.adapter import get_adapter

from workspaces.accounts import password_link, public_address
from workspaces.models import Membership
from workspaces.outgoing import NoMailServer, sends_mail


def invite(membership: Membership, invited_by: str) -> None:
    """Names the workspace and who added them; with a link to set a password for whoever has none yet.

    Raises OSError when the mail cannot be sent.
    """
    if not sends_mail():
        raise NoMailServer
    user, adapter = membership.user, get_adapter()
    context = {
        "workspace": membership.workspace,
        "role": membership.get_role_display(),
        "invited_by": invited_by,
        "sign_in_url": public_address("pages:home"),
        "reset_url": public_address("account_reset_password"),
        "password_url": "",
    }
    if not user.has_usable_password():
        context["password_url"] = password_link(user)
    adapter.send_mail("account/email/invitation", user.email, context)
