from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.invoicing.fees.change import add_line
from metering.management.arguments import usd
from metering.operator_api.answers import manual_line_json
from metering.periods import parse_month
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Adds a line to a workspace's invoice for a month, or to the next one if that is finalized."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("month", metavar="YYYY-MM", help="which month it is billed and taxed as")
        parser.add_argument("amount", metavar="USD", help="whole cents, such as 50.00; below zero gives it back")
        parser.add_argument("--text", required=True, metavar="T", help="as the invoice prints it")

    def act(self, **options: Any) -> dict[str, Any]:
        workspace, month = workspace_named(options["workspace"]), parse_month(options["month"])
        amount = usd(options["amount"], "USD")
        line = add_line(workspace, month, amount, options["text"], command_actor("add_line"), timezone.now())
        return manual_line_json(line)
