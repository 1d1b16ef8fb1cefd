from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.offboarding.as_json import closed_json
from metering.offboarding.close import close_for_good, what_closing_does
from metering.offboarding.models import ClosedWorkspace
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Closes a workspace for good: a final invoice now, its keys stop, its credit goes back. Its documents stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("--reason", required=True, metavar="R")
        parser.add_argument(
            "--credit",
            choices=ClosedWorkspace.Credit.values,
            default=ClosedWorkspace.Credit.REFUND.value,
            help="what becomes of bought credit that is left; default: refund",
        )
        parser.add_argument("--preview", action="store_true", help="print what it would come to, and close nothing")

    def act(self, *, reason: str, credit: str, preview: bool, **options: Any) -> dict[str, Any]:
        workspace, actor, now = workspace_named(options["workspace"]), command_actor("close_workspace"), timezone.now()
        if preview:
            return what_closing_does(workspace, reason, credit, actor, now)
        return closed_json(close_for_good(workspace, reason, credit, actor, now))
