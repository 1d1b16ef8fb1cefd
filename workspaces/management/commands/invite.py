from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named
from workspaces.members.invitations.invite import invite
from workspaces.members.invitations.mail import link_of
from workspaces.models import Membership


class Command(JsonCommand):
    help = "Invite a person to a workspace without a mail, and print the link to give them, this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE", help="Its id.")
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--role", default=Membership.Role.OWNER, choices=Membership.Role.values)

    def act(self, *, workspace: str, email: str, role: str, **options: Any) -> dict[str, Any]:
        found = workspace_named(workspace)
        invitation, secret = invite(found, email, role, None, command_actor("invite"), timezone.now())
        return {
            "invitation_id": invitation.public_id,
            "workspace_id": found.public_id,
            "email": invitation.email,
            "role": invitation.role,
            "expires_at": invitation.expires_at.isoformat(),
            "url": link_of(secret) if secret else None,
        }
