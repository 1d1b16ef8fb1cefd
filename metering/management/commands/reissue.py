from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.invoicing.lifecycle.void import reissue_month
from metering.operator_api.answers import reissued_json
from metering.periods import parse_month
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Makes the draft of a month whose invoice was voided: what the month should have been billed, as it is known now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("month", metavar="YYYY-MM")
        parser.add_argument("--finalize", action="store_true", help="Number the draft and freeze it.")

    def act(self, **options: Any) -> dict[str, Any]:
        workspace, period = workspace_named(options["workspace"]), parse_month(options["month"])
        made = reissue_month(workspace, period, options["finalize"], command_actor("reissue"), timezone.now())
        return reissued_json(made)
