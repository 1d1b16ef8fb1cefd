from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.keys import issue
from workspaces.models import APIKey


class Command(JsonCommand):
    help = "Create a workspace with an admin key and a live key, and print their secrets, this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--email", default="", help="Where its invoices go.")
        parser.add_argument("--sandbox", action="store_true", help="Metered but never invoiced; with a test key.")

    @transaction.atomic
    def act(self, *, name: str, email: str, sandbox: bool, **options: Any) -> dict[str, Any]:
        actor, now = command_actor("create_workspace"), timezone.now()
        workspace = issue.create_workspace(name, email, actor, now, sandbox=sandbox)
        _, admin_secret = issue.create_key(workspace, APIKey.Kind.ADMIN, "Admin", actor, now)
        kind = issue.usual_kind(workspace)
        key, secret = issue.create_key(workspace, kind, kind.capitalize(), actor, now)
        return {
            "workspace_id": workspace.public_id,
            "admin_key": admin_secret,
            f"{kind}_key": secret,
            f"{kind}_key_id": key.public_id,
        }
