from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.management.arguments import usd
from metering.money import cents_text
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import instant_text, parse_instant
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Gives a workspace credit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("amount", metavar="USD", help="whole cents, such as 50.00")
        kinds = ", ".join(CreditGrant.Kind.values)
        parser.add_argument("--kind", default=CreditGrant.Kind.PROMOTIONAL, metavar="K", help=kinds)
        parser.add_argument("--reason", default="", metavar="R")
        parser.add_argument("--expires", metavar="ISO", help="default: never")

    def act(self, **options: Any) -> dict[str, Any]:
        workspace = workspace_named(options["workspace"])
        expires = options["expires"]
        made = ledger.grant(
            workspace,
            options["kind"],
            usd(options["amount"], "USD"),
            command_actor("grant_credit"),
            timezone.now(),
            expires_at=None if expires is None else parse_instant(expires),
            note=options["reason"],
        )
        return {
            "credit_id": made.public_id,
            "workspace_id": workspace.public_id,
            "kind": made.kind,
            "amount": cents_text(made.amount),
            "currency": made.currency,
            "expires_at": instant_text(made.expires_at),
        }
