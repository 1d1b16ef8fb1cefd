from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.invoicing.credit_notes.issue import chosen_amounts
from metering.invoicing.credit_notes.models import CreditNote
from metering.management.arguments import invoice_named, usd
from metering.operator_api.answers import issued_note_json
from metering.payments.refunds.reversals import issue_credit_note, usual_settlement
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Issues a credit note: it lowers what is due on the invoice, and the rest goes back to the customer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("invoice", metavar="INVOICE", help="id or number")
        parser.add_argument("--line", metavar="ID", help="only this line; default: all lines")
        parser.add_argument("--amount", metavar="USD", help="before tax; default: all that is left")
        parser.add_argument("--reason", required=True, metavar="R", help="printed on the credit note")
        ways = CreditNote.Settlement.values
        parser.add_argument("--as", dest="way", choices=ways, help="how what was paid goes back; default: as it came")
        parser.add_argument("--reference", metavar="R", default="", help="one note per reference; outside: of the transfer")

    def act(self, **options: Any) -> dict[str, Any]:
        invoice = invoice_named(options["invoice"])
        amount = None if options["amount"] is None else usd(options["amount"], "--amount")
        note = issue_credit_note(
            invoice.pk,
            chosen_amounts(invoice, options["line"], amount),
            options["reason"],
            options["way"] or usual_settlement(invoice),
            command_actor("credit_invoice"),
            timezone.now(),
            options["reference"],
        )
        return issued_note_json(note)
