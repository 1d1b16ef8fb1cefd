from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.credits.models import CreditGrant
from metering.management.arguments import usd
from metering.payments.as_json import transfer_json
from metering.payments.balance.transfer import transfer_credit
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = (
        "Transfers credit between two workspaces of one payer. Purchased credit stays refundable; promotional credit keeps "
        "its expiry date."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="FROM", help="a workspace")
        parser.add_argument("target", metavar="TO", help="a workspace")
        parser.add_argument("amount", metavar="USD", help="whole cents, such as 50.00")
        parser.add_argument("--reference", required=True, metavar="R", help="a reference can be used only once")
        parser.add_argument("--reason", default="", metavar="R")
        parser.add_argument("--kind", choices=CreditGrant.Kind.values, help="of this kind only; default: in the order of use")
        parser.add_argument("--statement", default="", metavar="S", help="why both are one payer, where nothing else says so")

    def act(self, **options: Any) -> dict[str, Any]:
        made = transfer_credit(
            workspace_named(options["source"]),
            workspace_named(options["target"]),
            usd(options["amount"], "USD"),
            options["reference"],
            command_actor("transfer_credit"),
            timezone.now(),
            reason=options["reason"],
            kind=options["kind"],
            statement=options["statement"],
        )
        return transfer_json(made)
