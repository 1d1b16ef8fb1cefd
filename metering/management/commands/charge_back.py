from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.management.arguments import invoice_named, usd
from metering.operator_api.answers import chargebacks_json
from metering.payments.disputes import chargebacks
from metering.payments.models import Payment
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Records that a bank took back money that came outside Stripe: what it paid is owed again, its credit is taken back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("document", metavar="INVOICE_OR_PAYMENT", help="an invoice's id or number, or a payment's id")
        parser.add_argument("amount", metavar="USD", help="whole cents, such as 50.00")
        parser.add_argument("--reference", required=True, metavar="R", help="where the chargeback is found")
        parser.add_argument("--fee", default="0.00", metavar="USD", help="the bank's fee for it")

    def act(self, *, document: str, amount: str, reference: str, fee: str, **options: Any) -> dict[str, Any]:
        payments = list(Payment.objects.filter(public_id=document)) if document.startswith("pay_") else None
        if payments is None:
            payments = chargebacks.payments_to_charge_back(invoice_named(document))
        asked = usd(amount, "USD"), reference, usd(fee, "--fee")
        made = chargebacks.charge_back(payments, *asked, command_actor("charge_back"), timezone.now())
        return chargebacks_json(made)
