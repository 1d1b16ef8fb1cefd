from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.management.arguments import usd
from metering.operator_api.answers import payout_json
from metering.payments.refunds import payouts
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Records a transfer to a customer of what is owed to them: see `owed_to_customers`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("amount", metavar="USD", help="whole cents, such as 50.00")
        parser.add_argument("--reference", required=True, metavar="R", help="where the transfer is found")

    def act(self, **options: Any) -> dict[str, Any]:
        workspace, amount = workspace_named(options["workspace"]), usd(options["amount"], "USD")
        made = payouts.pay_out(workspace, amount, options["reference"], command_actor("pay_out"), timezone.now())
        return payout_json(made)
