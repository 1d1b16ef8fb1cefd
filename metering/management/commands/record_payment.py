from datetime import date
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.management.arguments import invoice_named, usd
from metering.operator_api.answers import receipt_json
from metering.payments.collecting.manual import record_transfer
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Records money that arrived outside Stripe: a part, all that is due, or more, which is kept as a surplus."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "invoice", metavar="INVOICE", help="id or number; several, in the order to be paid: INVOICE,INVOICE"
        )
        parser.add_argument("amount", metavar="USD", help="whole cents, such as 50.00")
        parser.add_argument("--reference", required=True, metavar="R", help="where the money is found")
        parser.add_argument("--arrived-on", metavar="DATE", help="YYYY-MM-DD, in UTC; default: now")

    def act(self, **options: Any) -> dict[str, Any]:
        invoices = [invoice_named(each) for each in options["invoice"].split(",")]
        received = record_transfer(
            [each.pk for each in invoices],
            usd(options["amount"], "USD"),
            options["reference"],
            command_actor("record_payment"),
            timezone.now(),
            _day(options["arrived_on"]),
        )
        return receipt_json(received)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InvalidParameter(f"--arrived-on is a day such as 2026-10-31, not {text!r}.", param="arrived_on") from None
