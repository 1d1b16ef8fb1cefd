from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.invoicing.lifecycle.void import mark_uncollectible
from metering.invoicing.lifecycle.write_off import reverse_write_off
from metering.management.arguments import invoice_named
from metering.operator_api.answers import invoice_outcome
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Writes off what is due on an open invoice as uncollectible. Money that still arrives pays it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("invoice", metavar="INVOICE", help="id or number")
        parser.add_argument("--reason", required=True, metavar="R")
        parser.add_argument("--reverse", action="store_true", help="Make it open again: it is collected as before.")

    def act(self, *, invoice: str, reason: str, reverse: bool, **options: Any) -> dict[str, Any]:
        verb = reverse_write_off if reverse else mark_uncollectible
        found = verb(invoice_named(invoice).pk, reason, command_actor("write_off"), timezone.now())
        return invoice_outcome(found, found.amount_due)
