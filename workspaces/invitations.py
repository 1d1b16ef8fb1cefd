"""The mail that tells somebody they belong to a workspace now, and how to get in."""

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str

from workspaces.accounts import public_address
from workspaces.models import Membership


def invite(membership: Membership, invited_by: str) -> None:
    """Names the workspace and who added them; with a link to set a password for whoever has none yet.

    Raises OSError when the mail cannot be sent.
    """
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
        key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
        context["password_url"] = adapter.get_reset_password_from_key_url(key)
    adapter.send_mail("account/email/invitation", user.email, context)
