from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.invoicing.fees.change import set_fee
from metering.management.arguments import day_in_utc, usd
from metering.operator_api.answers import agreed_fee_json
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Sets a workspace's recurring fee from a day on. Parts of months are billed by the day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("--name", required=True, metavar="N", help="as invoices print it, such as Seats")
        parser.add_argument("--monthly", required=True, metavar="USD", help="whole cents; of one seat, with --seats. 0 ends it")
        parser.add_argument("--seats", type=int, metavar="N")
        parser.add_argument("--from", dest="first", required=True, metavar="DATE", help="the first day with it, in UTC")
        parser.add_argument("--until", metavar="DATE", help="the first day without it; default: it does not end")

    def act(self, **options: Any) -> dict[str, Any]:
        workspace, until = workspace_named(options["workspace"]), options["until"]
        agreed = set_fee(
            workspace,
            options["name"],
            usd(options["monthly"], "--monthly"),
            options["seats"],
            day_in_utc(options["first"], "--from"),
            None if until is None else day_in_utc(until, "--until"),
            command_actor("set_fee"),
            timezone.now(),
        )
        return agreed_fee_json(agreed)
