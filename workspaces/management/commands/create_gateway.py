from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.keys import issue
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Create a gateway that may send usage events, and print its token, this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--workspace",
            action="append",
            default=[],
            metavar="ID",
            help="bind the gateway to this workspace; may be given several times; without it the gateway sends for all",
        )
        parser.add_argument(
            "--may-correct-all",
            action="store_true",
            help="let it correct what other gateways sent; otherwise it corrects only what it sent itself",
        )

    def act(self, *, name: str, workspace: list[str], may_correct_all: bool, **options: Any) -> dict[str, Any]:
        bound = [workspace_named(public_id) for public_id in workspace]
        actor = command_actor("create_gateway")
        gateway, token = issue.create_gateway(name, actor, timezone.now(), bound, may_correct_all)
        return {"gateway_id": gateway.public_id, "token": token}
