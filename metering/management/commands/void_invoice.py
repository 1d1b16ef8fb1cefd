from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.management.arguments import invoice_named
from metering.operator_api.answers import invoice_outcome
from metering.payments.refunds import reversals
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Voids an open invoice on which nothing was paid or credited. Its month is billed again only by `reissue`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("invoice", metavar="INVOICE", help="id or number")
        parser.add_argument("--reason", required=True, metavar="R")

    def act(self, *, invoice: str, reason: str, **options: Any) -> dict[str, Any]:
        found = invoice_named(invoice)
        void = reversals.void_invoice(found.pk, reason, command_actor("void_invoice"), timezone.now())
        return invoice_outcome(void, void.total)
